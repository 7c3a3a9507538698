/*
 * In 64-bit mode segments say little more than the ring. SYSCALL and SYSRET want them in this order (SDM 2B, SYSRET:
 * data at STAR[63:48] + 8, code at + 16).
 */
#include "segments.h"

#define STACK_BYTES 4096
#define KERNEL_DATA 0x10
#define TSS_SELECTOR 0x28
#define TSS_AVAILABLE 0x89ull

struct task_state task_state;

static uint64_t gdt[] = {
    0,
#ifdef __x86_64__
    0x00af9b000000ffff, /* 0x08: code, ring 0 */
#else
    0x00cf9b000000ffff,
#endif
    0x00cf93000000ffff, /* 0x10: data, ring 0 */
    0x00cff3000000ffff, /* 0x18: data, ring 3 */
#ifdef __x86_64__
    0x00affb000000ffff, /* 0x20: code, ring 3 */
#else
    0x00cffb000000ffff,
#endif
    0, /* 0x28: TSS, two entries in 64-bit mode */
    0,
};

static uint8_t exception_stack[STACK_BYTES] __attribute__((aligned(16)));

void setup_segments(void) {
  const uint64_t base = (uintptr_t)&task_state;
  const struct __attribute__((packed)) {
    uint16_t limit;
    uintptr_t base;
  } pointer = {sizeof gdt - 1, (uintptr_t)gdt};
  task_state.kernel_stack = (uintptr_t)exception_stack + sizeof exception_stack;
#ifndef __x86_64__
  task_state.kernel_stack_segment = KERNEL_DATA;
#endif
  task_state.io_map = sizeof task_state;
  gdt[5] = (base & 0xff000000) << 32 | TSS_AVAILABLE << 40 | (base & 0xffffff) << 16 | (sizeof task_state - 1);
  gdt[6] = base >> 32;
  asm volatile("lgdt %0" : : "m"(pointer));
  asm volatile("ltr %0" : : "r"((uint16_t)TSS_SELECTOR));
}
