/* Shows that a guest with interrupts off can still be stopped: prints a line, then spins. */
#include "protected.inc"
main:
        print   "spinning with interrupts off\n"
1:      pause
        jmp     1b
