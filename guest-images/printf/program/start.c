/* Where the kernel enters the program: with its arguments in rdi, and a stack. */
#include "printf/program/libc.h"
#include "printf/stamps.h"

volatile struct stamps stamps;

int main(const char *arguments);

_Noreturn void program_start(const char *arguments) { exit(main(arguments)); }
