/*
 * Arithmetic in double precision, a step at a time, by scalar SSE2 in both builds, so that both round alike: a logistic
 * map, which never settles, and a root and a quotient of it.
 */
#include "bench/cpu/cpu.h"

uint32_t run_floating_point(uint32_t count) {
  double x = 0.5, sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    x = 3.99 * x * (1 - x);
    sum = sum * 0.75 + __builtin_sqrt(x) / (1 + x);
  }
  const union {
    double value;
    uint32_t halves[2];
  } bits = {x + sum};
  return bits.halves[0] ^ bits.halves[1];
}
