/* Touches pages that are not there: each is a page fault, whose handler maps a page. A page that was there is not 0. */
#include "bench/cpu/cpu.h"

uint32_t run_page_faults(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    volatile uint32_t *word = fresh_page(i);
    sum = mix(sum, *word + i);
    *word = i + 1;
  }
  return sum;
}
