/*
 * Segments for two rings. In 64-bit mode they say little more than the ring. SYSCALL and SYSRET want them in this
 * order (SDM 2B, SYSRET: data at STAR[63:48] + 8, code at + 16). An exception in ring 3 takes its stack from the TSS.
 */
#include "printf/kernel/kernel.h"

#define STACK_BYTES 4096
#define TSS_SELECTOR 0x28
#define TSS_AVAILABLE 0x89ull

static struct __attribute__((packed)) {
  uint32_t reserved;
  uint64_t rsp0; /* the stack pointer for ring 0 */
  uint64_t others[11];
  uint16_t reserved_2;
  uint16_t io_map; /* at the limit or beyond it: ring 3 may use no port */
} tss;

static uint64_t gdt[] = {
    0,
    0x00af9b000000ffff, /* 0x08: code, ring 0 */
    0x00cf93000000ffff, /* 0x10: data, ring 0 */
    0x00cff3000000ffff, /* 0x18: data, ring 3 */
    0x00affb000000ffff, /* 0x20: code, ring 3 */
    0,                  /* 0x28: TSS, two entries */
    0,
};

static uint8_t exception_stack[STACK_BYTES] __attribute__((aligned(16)));

void setup_segments(void) {
  const uint64_t base = (uint64_t)&tss;
  const struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof gdt - 1, (uint64_t)gdt};
  tss.rsp0 = (uint64_t)exception_stack + sizeof exception_stack;
  tss.io_map = sizeof tss;
  gdt[5] = (base & 0xff000000) << 32 | TSS_AVAILABLE << 40 | (base & 0xffffff) << 16 | (sizeof tss - 1);
  gdt[6] = base >> 32;
  asm volatile("lgdt %0" : : "m"(pointer));
  asm volatile("ltr %0" : : "r"((uint16_t)TSS_SELECTOR));
}
