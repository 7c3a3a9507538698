/* Shows a machine that can never go on: prints a line, then halts with interrupts off. */
#include "protected.inc"
main:
        print   "halting for ever\n"
        cli
1:      hlt
        jmp     1b
