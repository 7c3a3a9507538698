/* The local APIC. A register is 32 bits wide at a multiple of 16 bytes (SDM 3A, table 11-1). */
#include "local-apic.h"
#include "cpu.h"

#define LOCAL_APIC 0xfee00000ul
#define APIC_ID 0x020
#define APIC_EOI 0x0b0
#define APIC_SPURIOUS 0x0f0
#define APIC_ICR_LOW 0x300
#define APIC_ICR_HIGH 0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_INITIAL_COUNT 0x380
#define APIC_DIVIDE 0x3e0

#define SOFTWARE_ENABLE (1 << 8)
#define SPURIOUS_VECTOR 0xff
#define LVT_MASKED (1 << 16)
#define LVT_PERIODIC (1 << 17)
#define DELIVERY_EXTINT (7 << 8)
#define DELIVERY_INIT (5 << 8)
#define DELIVERY_STARTUP (6 << 8)
#define LEVEL_ASSERT (1 << 14)
#define DELIVERY_PENDING (1 << 12)
#define DIVIDE_BY_16 3
#define PAGE_SHIFT 12

static volatile uint32_t *apic_register(uint32_t offset) { return (volatile uint32_t *)(LOCAL_APIC + offset); }

void enable_local_apic(void) { *apic_register(APIC_SPURIOUS) = SOFTWARE_ENABLE | SPURIOUS_VECTOR; }

void accept_pic_interrupts(void) { *apic_register(APIC_LVT_LINT0) = DELIVERY_EXTINT; }

void apic_end_of_interrupt(void) { *apic_register(APIC_EOI) = 0; }

uint8_t apic_id(void) { return (uint8_t)(*apic_register(APIC_ID) >> 24); }

void start_apic_timer(uint8_t vector, uint32_t count) {
  *apic_register(APIC_DIVIDE) = DIVIDE_BY_16;
  *apic_register(APIC_LVT_TIMER) = LVT_PERIODIC | vector;
  *apic_register(APIC_INITIAL_COUNT) = count;
}

void stop_apic_timer(void) {
  *apic_register(APIC_LVT_TIMER) = LVT_MASKED;
  *apic_register(APIC_INITIAL_COUNT) = 0;
}

static void send(uint8_t id, uint32_t command) {
  *apic_register(APIC_ICR_HIGH) = (uint32_t)id << 24;
  *apic_register(APIC_ICR_LOW) = command;
  while ((*apic_register(APIC_ICR_LOW) & DELIVERY_PENDING) != 0) cpu_relax();
}

void send_init(uint8_t id) { send(id, DELIVERY_INIT | LEVEL_ASSERT); }

void send_startup(uint8_t id, uint32_t address) { send(id, DELIVERY_STARTUP | LEVEL_ASSERT | address >> PAGE_SHIFT); }

void send_interrupt(uint8_t id, uint8_t vector) { send(id, LEVEL_ASSERT | vector); }
