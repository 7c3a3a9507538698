/*
 * The steps of a printf, each stamped with the time as it is reached, in both rings: the table is in memory that the
 * program may write too. Whoever watches the machine finds it by its symbol, `stamps`. Without the kernel's word
 * `unwatched` on the command line every step is taken down; with it none, which shows what the stamps themselves cost.
 */
#pragma once
#include "lib/cpu.h"

enum step {
  /* Ring 3, the program and its library. */
  STEP_PROGRAM_STARTED = 1,
  STEP_PRINTF_CALLED = 2,
  STEP_PRINTF_BUFFERED = 3, /* the text is in the library's buffer; value: bytes in it */
  STEP_SYSCALL = 4,         /* the next instructions lead to SYSCALL; value: its number */
  /* Ring 0, the kernel. */
  STEP_KERNEL_ENTERED = 5, /* value: the system call's number */
  STEP_DRIVER_CALLED = 6,  /* value: bytes to write */
  STEP_POLL = 7,           /* IN from the line status register is next */
  STEP_POLLED = 8,         /* value: what it read */
  STEP_OUT = 9,            /* OUT to the data register is next; value: its byte, or how many a string instruction has */
  STEP_OUT_DONE = 10,
  STEP_DRIVER_DONE = 11,
  STEP_KERNEL_LEFT = 12, /* SYSRET is next; value: the system call's result */
  /* Ring 3 again. */
  STEP_SYSCALL_RETURNED = 13, /* value: its result */
  STEP_PRINTF_RETURNED = 14,  /* value: printf's result */
};

#define STAMPS 2048

struct stamp {
  uint64_t tsc;
  uint64_t rip; /* at this step, for its line in the source */
  uint32_t step;
  uint32_t reserved;
  uint64_t value;
};

struct stamps {
  uint32_t enabled;
  uint32_t count; /* the program can write it: the kernel checks it each time */
  uint32_t lost;  /* steps for which there was no room */
  uint32_t reserved;
  struct stamp entries[STAMPS];
};

extern volatile struct stamps stamps;

/* Inline, so that rip is that of the step. */
static inline __attribute__((always_inline)) void stamp(enum step step, uint64_t value) {
  if (!stamps.enabled) return;
  const uint32_t at = stamps.count;
  if (at >= STAMPS) {
    stamps.lost++;
    return;
  }
  uint64_t rip;
  asm volatile("lea 0(%%rip), %0" : "=r"(rip));
  volatile struct stamp *entry = &stamps.entries[at];
  entry->rip = rip;
  entry->step = step;
  entry->value = value;
  stamps.count = at + 1;
  entry->tsc = read_tsc();
}
