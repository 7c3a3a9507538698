/* The local APIC through its registers at 0xfee00000 (SDM 3A, chapter 11; xAPIC mode). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void enable_local_apic(void);
/* Lets the PICs' interrupts through to this CPU (virtual wire mode). */
void accept_pic_interrupts(void);
void apic_end_of_interrupt(void);
uint8_t apic_id(void);

/* Interrupts at `vector` each time the counter has come from `count` to 0, at a sixteenth of the APIC's clock. */
void start_apic_timer(uint8_t vector, uint32_t count);
void stop_apic_timer(void);

/* Interprocessor interrupts: to the CPU with an id. Each returns once the APIC has sent it. */
void send_init(uint8_t id);
/* The CPU starts in real mode at `address`, a page below 1 MiB. */
void send_startup(uint8_t id, uint32_t address);
void send_interrupt(uint8_t id, uint8_t vector);
