/*
 * What a guest's memory costs where the processor translates it twice (EPT, NPT), or KVM keeps a second set of page tables
 * beside the guest's (shadow paging). The guest maps all memory to itself by large pages, and has two windows of pages of
 * 4 KiB at 1.25 GiB. Of 128 MiB of memory, which a machine must have:
 *   16 MiB   page tables of the windows
 *   24 MiB   frames of the churn, pages that are touched again
 *   64 MiB   frames of the stride
 *   96 MiB   pages that nobody has touched since the machine was made
 */
#include "bench/bench.h"
#include "bench/guest/guest.h"

#define MIB 0x100000u
#define LARGE_PAGE (2 * MIB) /* that a host may have behind a guest's memory */
#define TABLES (16 * MIB)
#define AGAIN (24 * MIB)
#define AGAIN_PAGES 1024u /* that a TLB holds */
#define STRIDE_FRAMES (64 * MIB)
#define STRIDE_PAGES 8192u /* more than any TLB holds */
#define FRESH (96 * MIB)
#define MEMORY_END (128 * MIB)
#define STRIDE_WINDOW ((uintptr_t)0x50000000)
#define CHURN_WINDOW ((uintptr_t)0x54000000)
#define CHURN_FRAMES 64u
#define LINE_BYTES 64

static volatile uint32_t *word_at(uintptr_t address) { return (volatile uint32_t *)address; }

/* Outside of memory nothing keeps what was written. */
static bool is_memory(uintptr_t address) {
  *word_at(address) = 0x5a5a5a5a;
  return *word_at(address) == 0x5a5a5a5a;
}

static const char *needs_memory(void) {
  return is_memory(MEMORY_END - sizeof(uint32_t)) ? NULL : "it needs 128 MiB of memory";
}

static uintptr_t next_fresh = FRESH;

/* What is measured begins where a large page does. In the last one is the word by which memory was looked for. */
const char *prepare_first_touch(void) {
  next_fresh = (next_fresh + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1);
  return needs_memory();
}

uint32_t run_first_touch(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    if (next_fresh >= MEMORY_END - LARGE_PAGE) refuse("there is no memory left that was not touched");
    volatile uint32_t *const word = word_at(next_fresh);
    *word = i; /* a read would come first to a page of zeros that the host has for all, and the write to another */
    sum = mix(sum, *word);
    next_fresh += PAGE_BYTES;
  }
  return sum;
}

static uintptr_t page_again(uint32_t i) { return AGAIN + i % AGAIN_PAGES * PAGE_BYTES; }

const char *prepare_re_touch(void) {
  const char *why = needs_memory();
  if (why != NULL) return why;
  for (uint32_t i = 0; i < AGAIN_PAGES; i++) *word_at(page_again(i)) = i * 7;
  return NULL;
}

uint32_t run_re_touch(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) sum = mix(sum, *word_at(page_again(i)));
  return sum;
}

/* Each page's word is in another line, lest all of them fall to a few sets of the cache. */
static volatile uint32_t *stride_word(uint32_t page) {
  return word_at(STRIDE_WINDOW + page * PAGE_BYTES + page % (PAGE_BYTES / LINE_BYTES) * LINE_BYTES);
}

const char *prepare_stride(void) {
  uintptr_t *const tables = (uintptr_t *)TABLES;
  const char *why = needs_memory();
  if (why != NULL) return why;
  for (uint32_t page = 0; page < STRIDE_PAGES; page++) tables[page] = open_entry(STRIDE_FRAMES + page * PAGE_BYTES);
  map_window(STRIDE_WINDOW, tables, STRIDE_PAGES);
  for (uint32_t page = 0; page < STRIDE_PAGES; page++) *stride_word(page) = page * 7;
  return NULL;
}

uint32_t run_stride(uint32_t count) {
  uint32_t page = 0, sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    page = next_in_order(page, STRIDE_PAGES);
    sum = mix(sum, *stride_word(page));
  }
  return sum;
}

static uintptr_t *const churn_table = (uintptr_t *)(TABLES + MIB);

static uintptr_t churn_frame(uint32_t i) { return AGAIN + i % CHURN_FRAMES * PAGE_BYTES; }

const char *prepare_churn(void) {
  const char *why = needs_memory();
  if (why != NULL) return why;
  for (uint32_t i = 0; i < CHURN_FRAMES; i++) *word_at(churn_frame(i)) = i * 7;
  map_window(CHURN_WINDOW, churn_table, 1);
  return NULL;
}

/* The entry shows another frame, the old translation is forgotten, and the page is read. */
uint32_t run_churn(uint32_t count) {
  volatile uint32_t *const word = word_at(CHURN_WINDOW);
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    *(volatile uintptr_t *)churn_table = open_entry(churn_frame(i));
    asm volatile("invlpg %0" : : "m"(*word) : "memory");
    sum = mix(sum, *word);
  }
  return sum;
}
