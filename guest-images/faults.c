/*
 * Shows how a guest dies, by the word on its command line: `divide-error`, `bad-opcode` and `page-fault` reach the
 * guest's own handler, which prints vector, error code, rip and, for a page fault, cr2, and ends the machine with the
 * vector; `triple-fault` leaves the CPU without any handler, and it shuts down at 0x110030.
 */
#include "lib/console.h"
#include "lib/interrupts.h"
#include "lib/start-info.h"

/* Above all that is mapped, and canonical. */
#define UNMAPPED 0x123456789abcul
#define NO_SUCH_FAULT 0x7f

/* These begin with the instruction that faults, at an address that can be known: `.known` is at 0x110000 (elf.ld). */
_Noreturn void divide_by_zero(uint32_t zero);
_Noreturn void execute_bad_opcode(void);
_Noreturn void read_byte(uint64_t address);
_Noreturn void execute_bad_opcode_again(void);
asm(".pushsection .known, \"ax\", @progbits\n"
    "        .globl divide_by_zero, execute_bad_opcode, read_byte, execute_bad_opcode_again\n"
    "divide_by_zero:\n"
    "        div     %edi\n"
    "        .balign 16\n"
    "execute_bad_opcode:\n"
    "        ud2\n"
    "        .balign 16\n"
    "read_byte:\n"
    "        mov     (%rdi), %al\n"
    "        .balign 16\n"
    "execute_bad_opcode_again:\n"
    "        ud2\n"
    ".popsection");

/* An exception without a gate is a double fault, and a double fault without a gate is a shutdown (SDM 3A, 6.15). */
static _Noreturn void triple_fault(void) {
  const struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } empty = {0, 0};
  put_text("triple fault at ");
  put_hex((uint64_t)execute_bad_opcode_again);
  put_text("\n");
  asm volatile("lidt %0" : : "m"(empty));
  execute_bad_opcode_again();
}

void main(const struct start_info *info) {
  const char *words = command_line(info);
  setup_interrupts();
  if (has_word(words, "divide-error")) divide_by_zero(0);
  if (has_word(words, "bad-opcode")) execute_bad_opcode();
  if (has_word(words, "page-fault")) read_byte(UNMAPPED);
  if (has_word(words, "triple-fault")) triple_fault();
  put_text("which fault? divide-error, bad-opcode, page-fault or triple-fault\n");
  finish(NO_SUCH_FAULT);
}
