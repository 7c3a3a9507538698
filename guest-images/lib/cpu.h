/* The instructions that C has no words for. */
#pragma once
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint64_t read_msr(uint32_t msr) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value) {
  asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t read_tsc(void) {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

/* In every loop that waits for another CPU: with it the host's CPU can tell that this one only waits. */
static inline void cpu_relax(void) { asm volatile("pause" : : : "memory"); }

static inline void interrupts_off(void) { asm volatile("cli" : : : "memory"); }

static inline void interrupts_on(void) { asm volatile("sti" : : : "memory"); }

/* Waits for an interrupt, with interrupts on only meanwhile: none can come between STI and HLT. */
static inline void wait_for_interrupt(void) { asm volatile("sti; hlt; cli" : : : "memory"); }
