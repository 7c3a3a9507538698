/* Numbers and texts, by put_char. */
#include "text.h"

void put_text(const char *text) {
  while (*text != '\0') put_char(*text++);
}

/*
 * Divides the number and returns the remainder. In two steps of 32 bits, as by hand: a 32-bit build has no library that
 * would divide 64 bits.
 */
static unsigned divide(uint64_t *value, uint32_t base) {
  uint32_t high = (uint32_t)(*value >> 32), low = (uint32_t)*value, rest = high % base;
  high /= base;
  asm("divl %2" : "+a"(low), "+d"(rest) : "r"(base) : "cc");
  *value = (uint64_t)high << 32 | low;
  return rest;
}

static void put_digits(uint64_t value, unsigned base) {
  const unsigned digit = divide(&value, base);
  if (value != 0) put_digits(value, base);
  put_char("0123456789abcdef"[digit]);
}

void put_decimal(uint64_t value) { put_digits(value, 10); }

void put_hex(uint64_t value) {
  put_text("0x");
  put_digits(value, 16);
}
