/*
 * Shows that no output is lost or out of order which all CPUs write at once without a look at LSR: each writes BYTES
 * bytes, the CPU's number in the two highest bits and a count in the others; and the UART's scratch register after each 64.
 */
#include "protected.inc"
#include "cpus.inc"
#define BYTES           0x2000

main:   call    start_other_cpus
        movl    $1, may_begin
        call    flood
        lock incl flooded
1:      pause
        cmpl    $CPUS, flooded
        jb      1b
        finish  0

other_cpu:
        pause
        cmpl    $1, may_begin
        jne     other_cpu
        call    flood
        lock incl flooded
1:      hlt
        jmp     1b

flood:  mov     %ebp, %ebx
        shl     $6, %ebx
        xor     %ecx, %ecx
1:      mov     %ecx, %eax
        and     $0x3f, %eax
        or      %ebx, %eax
        mov     $UART_DATA, %edx
        out     %al, %dx
        inc     %ecx
        test    $0x3f, %cl
        jnz     1b
        mov     $UART_SCR, %edx
        out     %al, %dx
        cmp     $BYTES, %ecx
        jb      1b
        ret

        .balign 4
may_begin:
        .long   0
flooded:
        .long   0
