/* The two interrupt controllers of a PC (8259A). */
#pragma once
#include <stdint.h>

/* Of lines 0 to 7, on the first PIC; lines 8 to 15, on the second, follow. */
#define PIC_VECTORS 0x20

/* Moves the vectors away from those of exceptions, where firmware has them, and masks every line. */
void setup_pics(void);
void unmask_irq(uint8_t irq);
void pic_end_of_interrupt(uint8_t irq);
