/* COM1 as a console: 115,200 baud, 8 bits, FIFOs on, no interrupts; and how fast it takes bytes. */
#include "bench/bench.h"
#include "bench/guest/guest.h"
#include "lib/cpu.h"
#include "lib/text.h"

#define UART_IER 0x3f9
#define UART_FCR 0x3fa
#define UART_LCR 0x3fb
#define UART_MCR 0x3fc
#define UART_LSR 0x3fd
/* With DLAB set, the first two registers are the divisor of the clock. */
#define UART_DLL 0x3f8
#define UART_DLM 0x3f9
#define LCR_DLAB 0x80
#define LCR_8_BITS 0x03
#define FCR_ENABLE_AND_CLEAR 0x07
#define MCR_DTR_RTS 0x03
#define LSR_TEMT 0x40
#define DIVISOR_115200 1
#define LINE 64

void setup_serial(void) {
  flush_output(); /* of a firmware */
  out8(UART_LCR, LCR_DLAB);
  out8(UART_DLL, DIVISOR_115200);
  out8(UART_DLM, 0);
  out8(UART_LCR, LCR_8_BITS);
  out8(UART_FCR, FCR_ENABLE_AND_CLEAR);
  out8(UART_IER, 0);
  out8(UART_MCR, MCR_DTR_RTS);
}

void flush_output(void) {
  while ((in8(UART_LSR) & LSR_TEMT) == 0) cpu_relax();
}

/* Lines of letters, and an end of line as last byte: count bytes in all. */
uint32_t run_serial(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    const char byte = i == count - 1 || i % LINE == LINE - 1 ? '\n' : (char)('a' + i % 26);
    put_char(byte);
    sum = mix(sum, (uint8_t)byte);
  }
  flush_output();
  return sum;
}
