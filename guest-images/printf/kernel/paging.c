/*
 * Which memory the program may use: its own 2 MiB get pages of 4 KiB, and only those that it fills are present, with
 * the rights that each kind needs. All other memory stays the kernel's (bit U/S clear, long.inc).
 */
#include "lib/cpu.h"
#include "printf/kernel/kernel.h"

#define ENTRIES 512
#define PAGE_2M 0x200000ull
#define PTE_PRESENT (1ull << 0)
#define PTE_WRITABLE (1ull << 1)
#define PTE_USER (1ull << 2)
#define PTE_NO_EXECUTE (1ull << 63)
#define MSR_EFER 0xc0000080
#define EFER_NXE (1ull << 11)

extern uint64_t pml4[ENTRIES], pdpt[ENTRIES], page_directories[];
static uint64_t page_table[ENTRIES] __attribute__((aligned(PAGE_BYTES)));

static void map_pages(const char *start, const char *end, uint64_t rights) {
  for (uint64_t page = (uint64_t)start; page < (uint64_t)end; page += PAGE_BYTES) {
    page_table[page / PAGE_BYTES % ENTRIES] = page | PTE_PRESENT | PTE_USER | rights;
  }
}

void protect_memory(void) {
  write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
  map_pages(program_code, program_constants, 0);
  map_pages(program_constants, program_data, PTE_NO_EXECUTE);
  map_pages(program_data, program_end, PTE_WRITABLE | PTE_NO_EXECUTE);
  /* A page is the program's only where every level says so. */
  pml4[0] |= PTE_USER;
  pdpt[0] |= PTE_USER;
  page_directories[(uint64_t)program_code / PAGE_2M] = (uint64_t)page_table | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
  asm volatile("mov %0, %%cr3" : : "r"(pml4) : "memory"); /* forget the old translations */
}
