/* What a PVH loader tells: struct hvm_start_info, as much of it as guests here read (Xen, hvm/start_info.h). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct start_info {
  uint32_t magic;
  uint32_t version;
  uint32_t flags;
  uint32_t nr_modules;
  uint64_t modlist_paddr;
  uint64_t cmdline_paddr;
  uint64_t rsdp_paddr;
};

/* The command line, empty where there is none. */
static inline const char *command_line(const struct start_info *info) {
  return info->cmdline_paddr == 0 ? "" : (const char *)(uintptr_t)info->cmdline_paddr;
}

/* Whether `word` is one of the words of the text, which spaces divide. */
bool has_word(const char *text, const char *word);
