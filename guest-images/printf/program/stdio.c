/*
 * printf and the buffer behind it. A character goes to the buffer; what is in the buffer goes to the kernel by one
 * system call at the end of a line, or when it is full, or at the end of the program. Unbuffered, each character makes
 * a system call of its own: that is what buffering saves.
 */
#include "printf/program/libc.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include "printf/stamps.h"

#define BUFFER_BYTES 1024
#define STDOUT_FILENO 1

struct file {
  int fd;
  int mode;
  bool failed;
  size_t used;
  char buffer[BUFFER_BYTES];
};

static struct file standard_output = {.fd = STDOUT_FILENO, .mode = _IOLBF};
FILE *const stdout = &standard_output;

void setvbuf(FILE *file, int mode) { file->mode = mode; }

int fflush(FILE *file) {
  size_t done = 0;
  while (done < file->used && !file->failed) {
    const long written = write(file->fd, file->buffer + done, file->used - done);
    if (written > 0) done += (size_t)written;
    else file->failed = true;
  }
  file->used = 0;
  return file->failed ? -1 : 0;
}

static void put(FILE *file, char c) {
  file->buffer[file->used++] = c;
  if (file->mode == _IONBF || file->used == BUFFER_BYTES) fflush(file);
}

static int put_string(FILE *file, const char *text) {
  int count = 0;
  for (; *text != '\0'; text++, count++) put(file, *text);
  return count;
}

static int put_number(FILE *file, unsigned value, unsigned base) {
  const int before = value >= base ? put_number(file, value / base, base) : 0;
  put(file, "0123456789abcdef"[value % base]);
  return before + 1;
}

static int put_signed(FILE *file, int value) {
  if (value >= 0) return put_number(file, (unsigned)value, 10);
  put(file, '-');
  return 1 + put_number(file, -(unsigned)value, 10);
}

static int put_char(FILE *file, char c) {
  put(file, c);
  return 1;
}

int printf(const char *format, ...) {
  FILE *file = stdout;
  bool has_line_end = false;
  int count = 0;
  va_list arguments;
  va_start(arguments, format);
  for (; *format != '\0'; format++) {
    if (*format != '%') {
      if (*format == '\n') has_line_end = true;
      count += put_char(file, *format);
      continue;
    }
    switch (*++format) {
      case 'c': count += put_char(file, (char)va_arg(arguments, int)); break;
      case 'd': count += put_signed(file, va_arg(arguments, int)); break;
      case 's': count += put_string(file, va_arg(arguments, const char *)); break;
      case 'u': count += put_number(file, va_arg(arguments, unsigned), 10); break;
      case 'x': count += put_number(file, va_arg(arguments, unsigned), 16); break;
      case '%': count += put_char(file, '%'); break;
      default: va_end(arguments); return -1;
    }
  }
  va_end(arguments);
  stamp(STEP_PRINTF_BUFFERED, file->used);
  if (file->mode == _IOLBF && has_line_end) fflush(file);
  return file->failed ? -1 : count;
}
