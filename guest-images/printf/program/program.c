/*
 * The program: what a beginner writes first. It runs in ring 3 and knows nothing of UARTs or ports. Words on the
 * command line: `unbuffered` and `full` choose the library's buffering in place of line by line, `trap` the way into
 * the kernel, `crash` lets it try an instruction that ring 3 does not have.
 */
#include "printf/program/libc.h"
#include "printf/stamps.h"

/* The two lowest bits of cs are the current privilege level. */
static int ring(void) {
  uint16_t cs;
  asm("mov %%cs, %0" : "=r"(cs));
  return cs & 3;
}

/* The program's first byte (printf.ld), so that it is known where the kernel must say that this happened. */
__attribute__((naked, section(".text.first"))) static void turn_interrupts_off(void) { asm("cli; ret"); }

int main(const char *arguments) {
  stamp(STEP_PROGRAM_STARTED, 0);
  if (strstr(arguments, "unbuffered") != NULL) setvbuf(stdout, _IONBF);
  if (strstr(arguments, "full") != NULL) setvbuf(stdout, _IOFBF);
  if (strstr(arguments, "trap") != NULL) system_calls_by_trap();
  if (strstr(arguments, "crash") != NULL) turn_interrupts_off();

  stamp(STEP_PRINTF_CALLED, 0);
  const int length = printf("hello, %s, from ring %d\n", "world", ring());
  stamp(STEP_PRINTF_RETURNED, (uint64_t)length);
  return 0;
}
