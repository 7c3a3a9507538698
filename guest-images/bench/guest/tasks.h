/* What entry64.S and entry32.S do for tasks.c. */
#pragma once
#include <stdint.h>

/* Leaves what a function must not change on this stack, tells in `from` where that is, and goes on by another stack. */
void switch_stacks(uintptr_t *from, uintptr_t to);
/* Not to be called: takes a program's start, its argument and its stack from the stack, and enters it in ring 3. */
void enter_program(void);
/* Where a program's call comes in. */
void system_call_entry(void);
