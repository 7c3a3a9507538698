/*
 * Shows registers of devices under all CPUs at once. Each writes and reads, in turn with no lock:
 *   the UART's scratch register and a CMOS byte whose index all hold, with a byte whose halves are each other's
 *   complement: a read must give such a byte;
 *   PM1 enable as one word, all of its bits or none: a read must give the one or the other;
 *   COM1 and the debug console, a byte each: none may be lost.
 * Then, under a lock, CMOS index and data of a cell of its own: there it finds what it wrote itself. Ends with 0, or
 * with 1 after the first read that nobody wrote.
 */
#include "protected.inc"
#include "cpus.inc"
#define ROUNDS          50
#define DEBUG_CONSOLE   0xe9
#define RTC_INDEX       0x70
#define RTC_DATA        0x71
#define SHARED_CELL     0x50
#define OWN_CELLS       0x60            /* and the CPU's number */
#define PM1_ENABLE      0x602
#define PM1_ENABLE_BITS 0x0721          /* RTC, sleep button, power button, global lock, timer (ACPI 6.4, 4.8.3.1.2) */

main:
        out_byte UART_SCR, 0xf0
        mov     $SHARED_CELL, %al
        out     %al, $RTC_INDEX
        mov     $0xf0, %al
        out     %al, $RTC_DATA
        mov     $PM1_ENABLE, %dx
        xor     %eax, %eax
        out     %ax, %dx
        call    start_other_cpus
        movl    $1, may_begin
        call    hammer
        lock incl hammered
1:      pause
        cmpl    $CPUS, hammered
        jb      1b
        print   "\ndone\n"
        finish  0

other_cpu:
        pause
        cmpl    $1, may_begin
        jne     other_cpu
        call    hammer
        lock incl hammered
1:      hlt
        jmp     1b

/* ebx counts the rounds. */
hammer: xor     %ebx, %ebx
1:      call    next_byte
        mov     $UART_SCR, %dx
        out     %al, %dx
        in      %dx, %al
        call    check_byte
        call    next_byte
        out     %al, $RTC_DATA
        in      $RTC_DATA, %al
        call    check_byte
        call    check_pm1
        lea     'a'(%ebp), %eax
        mov     $UART_DATA, %dx
        out     %al, %dx
        lea     'A'(%ebp), %eax
        out     %al, $DEBUG_CONSOLE
        inc     %ebx
        cmp     $ROUNDS, %ebx
        jb      1b

        /* All have left the shared cell before the first changes the index. */
        lock incl at_barrier
2:      pause
        cmpl    $CPUS, at_barrier
        jb      2b
        xor     %ebx, %ebx
3:      take_lock cmos_lock
        lea     OWN_CELLS(%ebp), %eax
        out     %al, $RTC_INDEX
        mov     %ebx, %eax
        out     %al, $RTC_DATA
        release_lock cmos_lock
        take_lock cmos_lock
        lea     OWN_CELLS(%ebp), %eax
        out     %al, $RTC_INDEX
        in      $RTC_DATA, %al
        cmp     %bl, %al
        jne     wrong
        release_lock cmos_lock
        inc     %ebx
        cmp     $ROUNDS, %ebx
        jb      3b
        ret

/* Gives in al a byte that this CPU alone writes in this round, its high half the complement of its low one. */
next_byte:
        lea     (%ebp, %ebx, CPUS), %eax
        and     $0xf, %eax
        mov     %eax, %ecx
        xor     $0xf, %ecx
        shl     $4, %ecx
        or      %ecx, %eax
        ret

check_byte:
        mov     %al, %cl
        shr     $4, %cl
        xor     %al, %cl
        and     $0xf, %cl
        cmp     $0xf, %cl
        jne     wrong
        ret

check_pm1:
        mov     $PM1_ENABLE, %dx
        xor     %eax, %eax
        test    $1, %bl
        jz      1f
        mov     $PM1_ENABLE_BITS, %eax
1:      out     %ax, %dx
        in      %dx, %ax
        cmp     $PM1_ENABLE_BITS, %ax
        je      2f
        test    %ax, %ax
        jnz     wrong
2:      ret

wrong:  print   "\na read that nobody wrote\n"
        finish  1

        .balign 4
may_begin:
        .long   0
hammered:
        .long   0
at_barrier:
        .long   0
cmos_lock:
        .long   0
