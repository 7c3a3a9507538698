/* Changes an instruction and runs it: a translator has to notice, and to translate again. */
#include "bench/cpu/cpu.h"

/* lea eax, [rdi + number]; ret. In 32-bit mode the same bytes are lea eax, [edi + number]. */
static const uint8_t code[] = {0x8d, 0x87, 0, 0, 0, 0, 0xc3};
#define NUMBER 2

const char *prepare_self_modifying(void) {
  for (unsigned i = 0; i < sizeof code; i++) arena()[i] = code[i];
  return 0;
}

uint32_t run_self_modifying(uint32_t count) {
  uint8_t *function = arena();
  uint32_t x = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    *(volatile uint32_t *)(function + NUMBER) = i;
    uint32_t argument = x * 31;
    asm volatile("call *%2" : "=a"(x) : "D"(argument), "r"(function) : "memory", "cc");
  }
  return x;
}
