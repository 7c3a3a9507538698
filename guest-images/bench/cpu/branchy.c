/* Branches that depend on pseudo-random bits, so that no processor can foretell them. */
#include "bench/cpu/cpu.h"

uint32_t run_branchy(uint32_t count) {
  uint32_t x = FIRST, sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    x = next_random(x);
    /* Each path has a statement of its own that the compiler may not merge with another's, or make a CMOV of. */
    if ((x & 1u << 31) != 0) {
      sum += x >> 3;
      KEEP(sum);
    } else {
      sum ^= x;
      KEEP(sum);
    }
    if ((x & 1u << 30) != 0) {
      sum = mix(sum, i);
      KEEP(sum);
    }
    if ((x & 1u << 29) != 0) {
      sum -= 0x9e3779b9;
      KEEP(sum);
    } else if ((x & 1u << 28) != 0) {
      sum = sum << 7 | sum >> 25;
      KEEP(sum);
    }
  }
  return sum;
}
