/* Integer arithmetic: multiplication, shifts, division; each step needs the one before. */
#include "bench/cpu/cpu.h"

uint32_t run_integer(uint32_t count) {
  uint32_t x = FIRST, sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    x = next_random(x);
    x ^= x >> 13;
    sum = mix(sum, x / ((i & 0xff) + 3));
  }
  return sum ^ x;
}
