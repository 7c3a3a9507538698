/* string.h, as much as the program uses. */
#include "printf/program/libc.h"

static int begins_with(const char *text, const char *part) {
  for (; *part != '\0'; text++, part++)
    if (*text != *part) return 0;
  return 1;
}

char *strstr(const char *text, const char *part) {
  for (;; text++) {
    if (begins_with(text, part)) return (char *)text;
    if (*text == '\0') return NULL;
  }
}
