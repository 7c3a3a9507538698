/*
 * Shows that a guest with interrupts off can still be stopped: prints a line, then spins. Not for the vtx host: a
 * guest that spins so stops the software CPU's own timer interrupts for good.
 */
#include "protected.inc"
main:
        print   "spinning with interrupts off\n"
1:      pause
        jmp     1b
