/*
 * HLT until an interrupt: of the PIT, which every PC has. Each iteration sets it to come once in 12 counts, which are 10
 * microseconds: a part of each figure. Under kvm_amd on QEMU's TCG one in some ten thousand does not come, although the
 * PIT's output is up, and the PIC knows of none; another comes twice. So the local APIC's timer, where there is one,
 * looks after it, and the PIT is set again.
 */
#include "bench/bench.h"
#include "bench/guest/guest.h"
#include "lib/cpu.h"
#include "lib/interrupts.h"
#include "lib/local-apic.h"
#include "lib/pic.h"

#define IRQ_PIT 0
#define IRQ_SPURIOUS 7 /* 8259A, "default IR7" */
/* 8254: channel 0, low byte then high byte, mode 0, interrupt on terminal count. */
#define PIT_CHANNEL_0 0x40
#define PIT_CONTROL 0x43
#define PIT_ONE_SHOT 0x30
#define COUNTS 12
/* At a sixteenth of 1 GHz, which is KVM's and QEMU's: 16 ms. */
#define WATCH_VECTOR 0x41
#define WATCH_COUNT 1000000
/* Turns of a loop; the interrupt comes after far fewer. */
#define PATIENCE 10000000

static volatile uint32_t ticks;

static INTERRUPT on_tick(struct frame *frame) {
  (void)frame;
  ticks++;
  pic_end_of_interrupt(IRQ_PIT);
}

static INTERRUPT on_watch(struct frame *frame) {
  (void)frame;
  apic_end_of_interrupt();
}

/* When the PIT's line falls before the processor asks, as it may when it is set anew, the PIC says this in its place. */
static INTERRUPT on_spurious(struct frame *frame) { (void)frame; }

static void set_timer(void) {
  out8(PIT_CONTROL, PIT_ONE_SHOT);
  out8(PIT_CHANNEL_0, COUNTS);
  out8(PIT_CHANNEL_0, 0);
}

const char *prepare_halt(void) {
  const uint32_t before = ticks;
  handle_vector(PIC_VECTORS + IRQ_PIT, (uintptr_t)on_tick);
  handle_vector(PIC_VECTORS + IRQ_SPURIOUS, (uintptr_t)on_spurious);
  handle_vector(WATCH_VECTOR, (uintptr_t)on_watch);
  set_timer();
  unmask_irq(IRQ_PIT);
  interrupts_on();
  for (uint32_t i = 0; i < PATIENCE && ticks == before; i++) cpu_relax();
  interrupts_off();
  return ticks == before ? "the PIT does not interrupt" : NULL;
}

uint32_t run_halt(uint32_t count) {
  const bool has_watch = has_local_apic();
  uint32_t sum = FIRST;
  if (has_watch) start_apic_timer(WATCH_VECTOR, WATCH_COUNT);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t before = ticks;
    do {
      set_timer();
      wait_for_interrupt();
    } while (ticks == before);
    sum = mix(sum, ticks != before);
  }
  if (has_watch) stop_apic_timer();
  return sum;
}
