/* The interrupt descriptor table, and what exceptions do that nobody expects. */
#pragma once
#include <stdint.h>

/* What the CPU pushes (SDM 3A, 6.12.1; 6.14.2 in 64-bit mode); in 32-bit mode the last two only where the ring changes. */
struct frame {
  uintptr_t rip, cs, rflags, rsp, ss;
};

/* A handler: GCC saves what it changes, and ends it with IRET. */
#define INTERRUPT __attribute__((interrupt)) void

/* Fills the vectors of exceptions: each prints what came and ends the machine with the vector. */
void handle_exceptions(void);
/* The same, and loads the table. */
void setup_interrupts(void);
/* Loads the table on one more CPU. */
void load_interrupts(void);
/* `handler`: the address of an INTERRUPT function. */
void handle_vector(uint8_t vector, uintptr_t handler);
/* Lets ring 3 call a vector by INT. */
void open_vector(uint8_t vector);
