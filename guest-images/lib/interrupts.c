/* The interrupt descriptor table (SDM 3A, 6.11; 6.14 in 64-bit mode), and one handler for each exception. */
#include "interrupts.h"
#include "console.h"

#define VECTORS 256
#define CODE_SELECTOR 0x08
#define INTERRUPT_GATE 0x8e /* present, ring 0: interrupts are off in the handler */
#define FOR_RING_3 0x60
#define PAGE_FAULT 14
#define RING 3 /* in a code selector */

struct gate {
  uint16_t offset_0;
  uint16_t selector;
  uint8_t ist;
  uint8_t type;
  uint16_t offset_16;
#ifdef __x86_64__
  uint32_t offset_32;
  uint32_t reserved;
#endif
};

static struct gate idt[VECTORS];

static const char *const names[32] = {
    [0] = "divide error",         [1] = "debug",
    [2] = "NMI",                  [3] = "breakpoint",
    [4] = "overflow",             [5] = "BOUND range exceeded",
    [6] = "invalid opcode",       [7] = "device not available",
    [8] = "double fault",         [10] = "invalid TSS",
    [11] = "segment not present", [12] = "stack-segment fault",
    [13] = "general protection",  [PAGE_FAULT] = "page fault",
    [16] = "x87 floating-point",  [17] = "alignment check",
    [18] = "machine check",       [19] = "SIMD floating-point",
    [20] = "virtualization",      [21] = "control protection",
};

static _Noreturn void report(uint8_t vector, uintptr_t error_code, const struct frame *frame) {
  uintptr_t cr2;
  asm volatile("mov %%cr2, %0" : "=r"(cr2));
  put_text("exception ");
  put_decimal(vector);
  put_text(", ");
  put_text(names[vector]);
  put_text(": error code ");
  put_hex(error_code);
  put_text(", rip ");
  put_hex(frame->rip);
  put_text(", ring ");
  put_decimal(frame->cs & RING);
  if (vector == PAGE_FAULT) {
    put_text(", cr2 ");
    put_hex(cr2);
  }
  put_text("\n");
  finish(vector);
}

/* The CPU pushes an error code at some exceptions and none at others; GCC takes it off by the handler's type. */
#define WITHOUT_CODE(vector) \
  static INTERRUPT exception_##vector(struct frame *frame) { report(vector, 0, frame); }
#define WITH_CODE(vector) \
  static INTERRUPT exception_##vector(struct frame *frame, uintptr_t code) { report(vector, code, frame); }
#define EACH_EXCEPTION(without, with)                                                                              \
  without(0) without(1) without(2) without(3) without(4) without(5) without(6) without(7) with(8) with(10)         \
  with(11) with(12) with(13) with(14) without(16) with(17) without(18) without(19) without(20) with(21)
EACH_EXCEPTION(WITHOUT_CODE, WITH_CODE)

void handle_vector(uint8_t vector, uintptr_t handler) {
  idt[vector] = (struct gate){
      .offset_0 = (uint16_t)handler,
      .selector = CODE_SELECTOR,
      .type = INTERRUPT_GATE,
      .offset_16 = (uint16_t)(handler >> 16),
#ifdef __x86_64__
      .offset_32 = (uint32_t)(handler >> 32),
#endif
  };
}

void open_vector(uint8_t vector) { idt[vector].type |= FOR_RING_3; }

void load_interrupts(void) {
  const struct __attribute__((packed)) {
    uint16_t limit;
    struct gate *base;
  } pointer = {sizeof idt - 1, idt};
  asm volatile("lidt %0" : : "m"(pointer));
}

void handle_exceptions(void) {
#define SET(vector) handle_vector(vector, (uintptr_t)exception_##vector);
  EACH_EXCEPTION(SET, SET)
}

void setup_interrupts(void) {
  handle_exceptions();
  load_interrupts();
}
