/* Shows a triple fault of the last CPU, while the others spin with interrupts off. */
#include "protected.inc"
#include "cpus.inc"
main:
        print   "the last CPU faults\n"
        call    start_other_cpus
1:      pause
        jmp     1b
other_cpu:
        cmp     $CPUS - 1, %ebp
        jne     1b
        lidt    no_idt
        ud2
no_idt: .word   0
        .long   0
