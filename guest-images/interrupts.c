/*
 * Shows the interrupt sources of a PC, one after another: the PIT through the first PIC, the local APIC's own timer,
 * the RTC's periodic and update-ended interrupts through the second PIC. Prints a line for each that came, or says
 * that none did within three seconds of PIT ticks; ends with 0 where all came.
 */
#include "lib/console.h"
#include "lib/cpu.h"
#include "lib/interrupts.h"
#include "lib/local-apic.h"
#include "lib/pic.h"

#define IRQ_PIT 0
#define IRQ_RTC 8

/* 8254: channel 0, low byte then high byte, mode 2; 1,193,182 Hz divided to 100 Hz. */
#define PIT_CHANNEL_0 0x40
#define PIT_CONTROL 0x43
#define PIT_RATE_GENERATOR 0x34
#define PIT_COUNT 11932
#define TICKS_PER_SECOND 100
#define PATIENCE (3 * TICKS_PER_SECOND)

#define TIMER_VECTOR 0x40
#define TIMER_COUNT 1000000

/* MC146818. */
#define RTC_INDEX 0x70
#define RTC_DATA 0x71
#define REGISTER_A 0x0a
#define REGISTER_B 0x0b
#define REGISTER_C 0x0c
#define DIVIDER_32768_HZ 0x20
#define RATE_64_HZ 0x0a
#define PERIODIC 0x40 /* PIE in register B, PF in register C */
#define UPDATE_ENDED 0x10 /* UIE, UF */
#define HOURS_24 0x02

static volatile unsigned ticks, timer_interrupts, periodic_interrupts, update_interrupts;

static INTERRUPT on_tick(struct frame *frame) {
  (void)frame;
  ticks++;
  pic_end_of_interrupt(IRQ_PIT);
}

static INTERRUPT on_timer(struct frame *frame) {
  (void)frame;
  timer_interrupts++;
  apic_end_of_interrupt();
}

static uint8_t read_rtc(uint8_t index) {
  out8(RTC_INDEX, index);
  return in8(RTC_DATA);
}

static void write_rtc(uint8_t index, uint8_t value) {
  out8(RTC_INDEX, index);
  out8(RTC_DATA, value);
}

/* Register C tells which interrupt it was; reading it makes room for the next. */
static INTERRUPT on_rtc(struct frame *frame) {
  (void)frame;
  const uint8_t flags = read_rtc(REGISTER_C);
  if ((flags & PERIODIC) != 0) periodic_interrupts++;
  if ((flags & UPDATE_ENDED) != 0) update_interrupts++;
  pic_end_of_interrupt(IRQ_RTC);
}

/* Waits until the counter is at `count`, and says so. Returns whether it came that far. */
static bool wait_for(const char *what, volatile unsigned *counter, unsigned count) {
  const unsigned start = ticks;
  while (*counter < count && ticks - start < PATIENCE) wait_for_interrupt();
  const bool came = *counter >= count;
  put_text(what);
  put_text(came ? ": " : ": no ");
  if (came) put_decimal(count);
  put_text(came ? " interrupts\n" : "interrupts\n");
  return came;
}

void main(void) {
  setup_interrupts();
  handle_vector(PIC_VECTORS + IRQ_PIT, (uintptr_t)on_tick);
  handle_vector(PIC_VECTORS + IRQ_RTC, (uintptr_t)on_rtc);
  handle_vector(TIMER_VECTOR, (uintptr_t)on_timer);
  setup_pics();
  unmask_irq(IRQ_PIT);
  unmask_irq(IRQ_RTC);
  enable_local_apic();
  accept_pic_interrupts();

  out8(PIT_CONTROL, PIT_RATE_GENERATOR);
  out8(PIT_CHANNEL_0, PIT_COUNT & 0xff);
  out8(PIT_CHANNEL_0, PIT_COUNT >> 8);
  bool all = wait_for("PIT", &ticks, 10);

  start_apic_timer(TIMER_VECTOR, TIMER_COUNT);
  all &= wait_for("local APIC timer", &timer_interrupts, 10);
  stop_apic_timer();

  write_rtc(REGISTER_A, DIVIDER_32768_HZ | RATE_64_HZ);
  write_rtc(REGISTER_B, HOURS_24 | PERIODIC);
  read_rtc(REGISTER_C);
  all &= wait_for("RTC periodic", &periodic_interrupts, 10);
  write_rtc(REGISTER_B, HOURS_24 | UPDATE_ENDED);
  all &= wait_for("RTC update ended", &update_interrupts, 2);
  write_rtc(REGISTER_B, HOURS_24);
  finish(all ? 0 : 1);
}
