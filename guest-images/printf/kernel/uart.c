/*
 * The driver of COM1, a 16550A. Before it sends, it reads the line status register until the transmitter is empty:
 * each IN and each OUT is a VM exit. By string, it sends as many bytes at once as the empty FIFO takes.
 */
#include "lib/cpu.h"
#include "printf/kernel/kernel.h"
#include "printf/stamps.h"

#define UART_DATA 0x3f8
#define UART_IER 0x3f9
#define UART_FCR 0x3fa
#define UART_LCR 0x3fb
#define UART_MCR 0x3fc
#define UART_LSR 0x3fd
/* With DLAB set, the first two are the divisor of the clock. */
#define UART_DLL 0x3f8
#define UART_DLM 0x3f9

#define LCR_DLAB 0x80
#define LCR_8_BITS 0x03
#define FCR_ENABLE_AND_CLEAR 0x07
#define MCR_DTR_RTS 0x03
#define LSR_THRE 0x20
#define DIVISOR_115200 1
#define FIFO_BYTES 16

static bool writes_strings;

void setup_uart(bool by_string) {
  writes_strings = by_string;
  out8(UART_LCR, LCR_DLAB);
  out8(UART_DLL, DIVISOR_115200);
  out8(UART_DLM, 0);
  out8(UART_LCR, LCR_8_BITS);
  out8(UART_FCR, FCR_ENABLE_AND_CLEAR);
  out8(UART_IER, 0);
  out8(UART_MCR, MCR_DTR_RTS);
}

static void wait_until_empty(void) {
  uint8_t status;
  do {
    stamp(STEP_POLL, 0);
    status = in8(UART_LSR);
    stamp(STEP_POLLED, status);
  } while ((status & LSR_THRE) == 0);
}

static void send_byte(char byte) {
  wait_until_empty();
  stamp(STEP_OUT, (uint8_t)byte);
  out8(UART_DATA, (uint8_t)byte);
  stamp(STEP_OUT_DONE, 0);
}

static void send_string(const char *bytes, size_t count) {
  wait_until_empty();
  stamp(STEP_OUT, count);
  asm volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(UART_DATA) : "memory");
  stamp(STEP_OUT_DONE, 0);
}

void uart_write(const char *bytes, size_t count) {
  stamp(STEP_DRIVER_CALLED, count);
  while (count > 0) {
    const size_t now = !writes_strings ? 1 : count < FIFO_BYTES ? count : FIFO_BYTES;
    if (writes_strings) send_string(bytes, now);
    else send_byte(*bytes);
    bytes += now;
    count -= now;
  }
  stamp(STEP_DRIVER_DONE, 0);
}
