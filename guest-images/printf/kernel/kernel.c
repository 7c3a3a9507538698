/*
 * The life and death of a printf: the kernel's side. A kernel in ring 0 starts one program in ring 3, which calls
 * printf; the text goes through the program's C library, a system call, this kernel's UART driver and a port to the
 * machine. The kernel itself prints nothing and has no interrupts, so each VM exit can be told from the source: UART
 * set-up 7 OUT; each byte 1 IN (the transmitter was empty) and 1 OUT; the end 1 OUT. With the word `string` on the
 * command line the driver sends up to 16 bytes by one string instruction: 1 IN for all of them.
 */
#include "lib/interrupts.h"
#include "lib/segments.h"
#include "lib/start-info.h"
#include "printf/kernel/kernel.h"
#include "printf/stamps.h"

/* Read: start.c of the program. */
extern const char program_start[];

/* The program cannot read the kernel's memory, so its arguments are copied to the first page of its stack. */
static const char *copy_arguments(const char *from) {
  char *const to = (char *)program_stack;
  size_t length = 0;
  for (; from[length] != '\0' && length < PAGE_BYTES - 1; length++) to[length] = from[length];
  to[length] = '\0';
  return to;
}

void main(const struct start_info *info) {
  const char *words = command_line(info);
  setup_interrupts();
  setup_segments();
  protect_memory();
  setup_system_calls(has_word(words, "trap"));
  setup_uart(has_word(words, "string"));
  stamps.enabled = !has_word(words, "unwatched");
  enter_program(program_start, copy_arguments(words), program_stack_end);
}
