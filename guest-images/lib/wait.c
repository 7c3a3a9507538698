/*
 * Waits with channel 2 of the PIT (8254), which counts once from a number to 0 and then raises its output; that can be
 * read in port 0x61, where its gate is too.
 */
#include "wait.h"
#include "cpu.h"

#define PIT_CHANNEL_2 0x42
#define PIT_CONTROL 0x43
#define CHANNEL_2_ONE_SHOT 0xb0 /* low byte then high byte, mode 0 */
#define COUNTS_PER_MS 1193
#define PORT_61 0x61
#define GATE_2 0x01
#define SPEAKER 0x02
#define OUTPUT_2 0x20

static void wait_one_ms(void) {
  out8(PIT_CONTROL, CHANNEL_2_ONE_SHOT);
  out8(PIT_CHANNEL_2, COUNTS_PER_MS & 0xff);
  out8(PIT_CHANNEL_2, COUNTS_PER_MS >> 8);
  while ((in8(PORT_61) & OUTPUT_2) == 0) cpu_relax();
}

void wait_ms(unsigned ms) {
  out8(PORT_61, (uint8_t)((in8(PORT_61) & ~SPEAKER) | GATE_2));
  while (ms-- > 0) wait_one_ms();
}
