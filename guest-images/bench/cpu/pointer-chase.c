/*
 * Follows pointers through 4 MiB, a cache line each, in an order that jumps about and visits all before it comes again:
 * a linear congruential sequence of full period (Knuth, The Art of Computer Programming 2, 3.2.1.2, theorem A).
 */
#include "bench/cpu/cpu.h"

#define LINE_BYTES 64
#define LINES (ARENA_BYTES / LINE_BYTES)
#define FACTOR 40501u /* 1 modulo 4 */
#define STEP 24989u   /* odd */

struct line {
  struct line *next;
  uint8_t rest[LINE_BYTES - sizeof(void *)];
};

const char *prepare_pointer_chase(void) {
  struct line *lines = (struct line *)arena();
  for (uint32_t i = 0; i < LINES; i++) lines[i].next = &lines[(i * FACTOR + STEP) % LINES];
  return 0;
}

uint32_t run_pointer_chase(uint32_t count) {
  const struct line *lines = (const struct line *)arena(), *line = lines;
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    line = line->next;
    sum = mix(sum, (uint32_t)((uintptr_t)line - (uintptr_t)lines));
  }
  return sum;
}
