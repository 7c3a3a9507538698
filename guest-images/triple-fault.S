/* Shows a triple fault: an exception with an empty interrupt descriptor table. */
#include "protected.inc"
main:
        print   "triple fault\n"
        lidt    no_idt
        ud2
no_idt: .word   0
        .long   0
