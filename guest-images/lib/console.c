/* COM1 (16550A), polled: each byte waits until the transmitter holding register is empty. */
#include "console.h"
#include "cpu.h"

#define UART_DATA 0x3f8
#define UART_LSR 0x3fd
#define LSR_THRE 0x20
#define DEBUG_EXIT 0xf4

void put_char(char c) {
  while ((in8(UART_LSR) & LSR_THRE) == 0) cpu_relax();
  out8(UART_DATA, (uint8_t)c);
}

_Noreturn void finish(uint8_t value) {
  out8(DEBUG_EXIT, value);
  for (;;) asm volatile("cli; hlt");
}
