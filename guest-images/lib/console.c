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

void put_text(const char *text) {
  while (*text != '\0') put_char(*text++);
}

static void put_digits(uint64_t value, unsigned base) {
  if (value >= base) put_digits(value / base, base);
  put_char("0123456789abcdef"[value % base]);
}

void put_decimal(uint64_t value) { put_digits(value, 10); }

void put_hex(uint64_t value) {
  put_text("0x");
  put_digits(value, 16);
}

_Noreturn void finish(uint8_t value) {
  out8(DEBUG_EXIT, value);
  for (;;) asm volatile("cli; hlt");
}
