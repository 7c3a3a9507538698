/* The two PICs: the second one's output is line 2 of the first. */
#include "pic.h"
#include "cpu.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1
#define ICW1_INIT_ICW4 0x11
#define ICW4_8086 0x01
#define OCW2_END_OF_INTERRUPT 0x20
#define CASCADE 2
#define LINES 8

void setup_pics(void) {
  out8(PIC1_COMMAND, ICW1_INIT_ICW4);
  out8(PIC2_COMMAND, ICW1_INIT_ICW4);
  out8(PIC1_DATA, PIC_VECTORS); /* ICW2 */
  out8(PIC2_DATA, PIC_VECTORS + LINES);
  out8(PIC1_DATA, 1 << CASCADE); /* ICW3 */
  out8(PIC2_DATA, CASCADE);
  out8(PIC1_DATA, ICW4_8086);
  out8(PIC2_DATA, ICW4_8086);
  out8(PIC1_DATA, (uint8_t) ~(1 << CASCADE)); /* OCW1, the mask */
  out8(PIC2_DATA, 0xff);
}

void unmask_irq(uint8_t irq) {
  const uint16_t port = irq < LINES ? PIC1_DATA : PIC2_DATA;
  out8(port, in8(port) & (uint8_t) ~(1 << irq % LINES));
}

void pic_end_of_interrupt(uint8_t irq) {
  if (irq >= LINES) out8(PIC2_COMMAND, OCW2_END_OF_INTERRUPT);
  out8(PIC1_COMMAND, OCW2_END_OF_INTERRUPT);
}
