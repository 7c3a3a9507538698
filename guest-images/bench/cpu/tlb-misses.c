/* Reads a word of each of 4096 pages in a random order. Their 256 KiB of memory stay in the cache, but no TLB has them all. */
#include "bench/cpu/cpu.h"

#define LINE_BYTES 64

static uint8_t *window;

/* Each page that shows a frame has a line of it for its own. */
static volatile uint32_t *word_of(uint32_t page) {
  return (volatile uint32_t *)(window + page * PAGE_BYTES + page / TLB_FRAMES % TLB_FRAMES * LINE_BYTES);
}

const char *prepare_tlb_misses(void) {
  window = tlb_window();
  if (window == 0) return "no memory can be mapped so often";
  for (uint32_t page = 0; page < TLB_PAGES; page++) *word_of(page) = page * 7;
  return 0;
}

uint32_t run_tlb_misses(uint32_t count) {
  uint32_t page = 0, sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    page = next_in_order(page, TLB_PAGES);
    sum = mix(sum, *word_of(page));
  }
  return sum;
}
