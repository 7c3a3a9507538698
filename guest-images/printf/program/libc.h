/* The program's C library: as much of stdio.h, string.h, stdlib.h and unistd.h as it uses, with their meaning. */
#pragma once
#include <stddef.h>

typedef struct file FILE;
extern FILE *const stdout;

/* Fully, line and not buffered. */
enum { _IOFBF, _IOLBF, _IONBF };
void setvbuf(FILE *file, int mode);
int fflush(FILE *file);

/* Of conversions: %c %d %s %u %x %%. Returns the bytes written, or -1. */
__attribute__((format(printf, 1, 2))) int printf(const char *format, ...);

char *strstr(const char *text, const char *part);

long write(int fd, const void *bytes, size_t count);
/* From now on by UD2, not SYSCALL. */
void system_calls_by_trap(void);
_Noreturn void exit(int status);
