/*
 * Shows a machine that merely waits: halts with interrupts on and every line of the PICs masked. Nothing wakes it,
 * but the monitor cannot know: it is idle, not ended.
 */
#include "protected.inc"
main:
        mov     $0xff, %al
        out     %al, $0x21
        out     %al, $0xa1
        print   "idle\n"
1:      sti
        hlt
        jmp     1b
