/*
 * What leaves a virtual machine, an exit an iteration. The port is COM1's scratch register, which every PC keeps: so
 * what arrived can be read back.
 */
#include "bench/bench.h"
#include "bench/guest/guest.h"
#include "lib/cpu.h"

#define SCRATCH 0x3ff /* 16550A, SCR */
#define PIC1_DATA 0x21
/* Ports of no device, where a host may have writes collected, or an event told; other machines drop them. */
#define COALESCED_PORT 0x5c0
#define EVENT_PORT 0x5c8
/* In the hole below 4 GiB, where a PC of less than 3 GiB has nothing: reads give all ones or zeros. */
#define NOTHING ((volatile uint32_t *)0xd0000000)
#define STRING_BYTES 16

const char *prepare_out(void) {
  for (unsigned value = 0x55; value <= 0xaa; value += 0x55) {
    out8(SCRATCH, (uint8_t)value);
    if (in8(SCRATCH) != value) return "COM1 has no scratch register";
  }
  return NULL;
}

uint32_t run_out(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    out8(SCRATCH, (uint8_t)sum);
    sum = mix(sum, i);
  }
  return mix(sum, in8(SCRATCH));
}

#define SCRATCH_VALUE 0xa5

const char *prepare_in(void) {
  const char *why = prepare_out();
  out8(SCRATCH, SCRATCH_VALUE);
  return why;
}

uint32_t run_in(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) sum = mix(sum, in8(SCRATCH));
  return sum;
}

/* An iteration is one instruction for 16 bytes. */
uint32_t run_string_out(uint32_t count) {
  uint8_t bytes[STRING_BYTES] = {0};
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *from = bytes;
    uintptr_t left = STRING_BYTES;
    bytes[STRING_BYTES - 1] = (uint8_t)sum;
    asm volatile("rep outsb" : "+S"(from), "+c"(left) : "d"(SCRATCH) : "memory");
    sum = mix(sum, i);
  }
  return mix(sum, in8(SCRATCH));
}

uint32_t run_mmio_read(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t value = *NOTHING;
    sum = mix(sum, value == 0 || value == UINT32_MAX);
  }
  return sum;
}

uint32_t run_mmio_write(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    *NOTHING = sum;
    sum = mix(sum, i);
  }
  return sum;
}

/* KVM answers it alone. */
uint32_t run_cpuid(uint32_t count) {
  char vendor[13], first[13];
  uint32_t sum = FIRST;
  read_vendor(first);
  for (uint32_t i = 0; i < count; i++) {
    read_vendor(vendor);
    sum = mix(sum, vendor[0] == first[0] && vendor[11] == first[11]);
  }
  return sum;
}

const char *prepare_hypercall(void) {
  return hypercalls() == NO_HYPERCALLS ? "there is no KVM that would take a hypercall" : NULL;
}

/* KVM_HC_VAPIC_POLL_IRQ, which does nothing and returns 0 (Linux, Documentation/virt/kvm/x86/hypercalls.rst). */
#define POLL_IRQ 1

uint32_t run_hypercall(uint32_t count) {
  const bool is_intel = hypercalls() == VMCALL;
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    uintptr_t result = POLL_IRQ;
    if (is_intel) asm volatile("vmcall" : "+a"(result) : : "memory");
    else asm volatile("vmmcall" : "+a"(result) : : "memory");
    sum = mix(sum, result == 0);
  }
  return sum;
}

#define PIC_MASK 0xfb /* all but the line where the second PIC is */

const char *prepare_in_kernel(void) {
  out8(PIC1_DATA, PIC_MASK);
  return NULL;
}

/* As run_in, but from a device that KVM has itself: the mask of a PIC. */
uint32_t run_in_kernel(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) sum = mix(sum, in8(PIC1_DATA));
  return sum;
}

static uint32_t write_port(uint16_t port, uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    out8(port, (uint8_t)sum);
    sum = mix(sum, i);
  }
  return sum;
}

uint32_t run_coalesced(uint32_t count) { return write_port(COALESCED_PORT, count); }
uint32_t run_ioeventfd(uint32_t count) { return write_port(EVENT_PORT, count); }
