/* Shows several CPUs halted for good: the first halts at once, the others one after another, all with interrupts off. */
#include "protected.inc"
#include "cpus.inc"
main:
        call    start_other_cpus
        print   "all halting\n"
        movl    $1, may_halt
1:      cli
        hlt
        jmp     1b
other_cpu:
        pause
        cmp     may_halt, %ebp
        jne     other_cpu
        incl    may_halt
        jmp     1b
        .balign 4
may_halt:
        .long   0
