/* Segments for two rings, and the stack that an exception or an interrupt in ring 3 finds. */
#pragma once
#include <stdint.h>

#define KERNEL_CODE 0x08
#define PROGRAM_DATA 0x1b /* with the ring in its last two bits */

/*
 * The task state segment: the processor takes the stack pointer for ring 0 from it. In 64-bit mode SDM 3A, 7.7, with
 * an unused word before the pointers; in 32-bit mode 7.2.1.
 */
extern struct __attribute__((packed)) task_state {
  uint32_t reserved;
  uintptr_t kernel_stack;
#ifdef __x86_64__
  uint64_t others[11];
  uint16_t reserved_2;
#else
  uint32_t kernel_stack_segment;
  uint32_t others[22];
  uint16_t trap;
#endif
  uint16_t io_map; /* at the limit or beyond it: ring 3 may use no port */
} task_state;

/* Loads both tables; the stack is a small one, which a program's first exception may use. */
void setup_segments(void);
