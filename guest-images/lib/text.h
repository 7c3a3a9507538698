/* Texts and numbers for people to read. */
#pragma once
#include <stdint.h>

/* Where all of this goes: console.c. */
void put_char(char c);
void put_text(const char *text);
void put_decimal(uint64_t value);
/* With 0x before it, no leading zeros. */
void put_hex(uint64_t value);
