/*
 * Shows what virtualization costs, and what emulation does: runs the workloads that its command line names, each so many
 * times, and prints the checksum and the time of each (bench/run.c). `exits.out=20000 cpu.integer=1000000` are two.
 * It has two builds of the same source, in 64-bit and in 32-bit mode; bench.img holds both (image.S).
 * It needs 9 MiB of memory, and for those of second-level.c 128.
 */
#include "bench/bench.h"
#include "bench/guest/guest.h"
#include "lib/console.h"
#include "lib/cpu.h"
#include "lib/interrupts.h"
#include "lib/local-apic.h"
#include "lib/pic.h"
#include "lib/start-info.h"

#define INVALID_OPCODE 6
#define NO_DEVICE 7
#define GENERAL_PROTECTION 13
/* Bochs ends when these bytes are written to its port, one after another (its iodev/unmapped.cc). */
#define BOCHS_SHUTDOWN 0x8900

static void *before_workload[5];
static const char *refusal;

void refuse(const char *why) {
  refusal = why;
  __builtin_longjmp(before_workload, 1);
}

/* An instruction that this processor does not have ends the workload, not the run. */
static INTERRUPT on_refusal(struct frame *frame) {
  (void)frame;
  refuse("the processor refused an instruction of it");
}

static INTERRUPT on_protection(struct frame *frame, uintptr_t code) {
  (void)frame;
  (void)code;
  refuse("the processor refused an instruction of it");
}

/* Outside of a workload an exception is a fault of the guest, and lib/interrupts.c tells it. */
static void take_refusals(void) {
  handle_vector(INVALID_OPCODE, (uintptr_t)on_refusal);
  handle_vector(NO_DEVICE, (uintptr_t)on_refusal);
  handle_vector(GENERAL_PROTECTION, (uintptr_t)on_protection);
}

const char *run_one(const struct workload *workload, uint32_t count, uint32_t *checksum) {
  if (__builtin_setjmp(before_workload) != 0) {
    handle_exceptions();
    asm volatile("mov %0, %%cr3" : : "r"(first_tables()) : "memory");
    return refusal;
  }
  take_refusals();
  *checksum = workload->run(count);
  handle_exceptions();
  return NULL;
}

static void setup(void) {
  setup_serial();
  setup_interrupts();
  setup_tasks();
  setup_memory();
  setup_sse();
  setup_pics();
  if (!has_local_apic()) return;
  enable_local_apic();
  accept_pic_interrupts();
}

/* isa-debug-exit where there is one; Bochs' port; else a halt for good, which a host can see, after the line `end`. */
static _Noreturn void end(void) {
  for (const char *text = "Shutdown"; *text != '\0'; text++) out8(BOCHS_SHUTDOWN, (uint8_t)*text);
  finish(0);
}

void main(const struct start_info *info) {
  char vendor[13];
  setup();
  read_vendor(vendor);
  put_char('\n'); /* a firmware may have left a line without an end */
  run_workloads(command_line(info), vendor);
  end();
}
