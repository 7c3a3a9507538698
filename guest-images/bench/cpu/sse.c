/* Four numbers at once: a logistic map in single precision, and integer arithmetic on its bits (SSE2). */
#include "bench/cpu/cpu.h"

typedef float floats __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

uint32_t run_sse(uint32_t count) {
  const floats one = {1, 1, 1, 1}, rate = {3.75f, 3.8125f, 3.875f, 3.9375f};
  floats x = {0.125f, 0.25f, 0.375f, 0.5f};
  words sum = {0, 0, 0, 0};
  for (uint32_t i = 0; i < count; i++) {
    x = rate * x * (one - x);
    sum = (sum << 3 | sum >> 29) + ((words)x ^ sum);
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}
