/* The parts of the kernel, each in a file with its name. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096

/* Where the program is (printf.ld), in whole pages: code, constants, data with its stack at the end. */
extern const char program_code[], program_constants[], program_data[], program_end[];
extern const char program_stack[], program_stack_end[];

/* paging.c */
void protect_memory(void);

/* system-calls.c, entry.S */
/* `by_trap`: by UD2 too. */
void setup_system_calls(bool by_trap);
_Noreturn void enter_program(const char *entry, const char *arguments, const char *stack_end);

/* uart.c */
void setup_uart(bool by_string);
void uart_write(const char *bytes, size_t count);
