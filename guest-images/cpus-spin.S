/* Shows several CPUs that run for ever without an exit: all spin with interrupts off, after one line. */
#include "protected.inc"
#include "cpus.inc"
main:
        call    start_other_cpus
        print   "all spinning\n"
other_cpu:
        pause
        jmp     other_cpu
