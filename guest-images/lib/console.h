/* COM1, polled; and the end of the machine. */
#pragma once
#include <stdint.h>

void put_char(char c);
void put_text(const char *text);
void put_decimal(uint64_t value);
/* With 0x before it, no leading zeros. */
void put_hex(uint64_t value);

/* Ends the machine through isa-debug-exit, whose status is ((value << 1) | 1) & 0xff. */
_Noreturn void finish(uint8_t value);
