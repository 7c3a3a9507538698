/* The ways between the rings and between two stacks (tasks.h), in 64-bit mode. Interrupts are off. */
#define KERNEL_STACK    4               /* in task_state, lib/segments.h */
#define RFLAGS_FIXED    0x2             /* bit 1 is always set; all else clear: no interrupts, no I/O in ring 3 */

        .text
        .globl  switch_stacks, enter_program, system_call_entry

/* rdi: where rsp goes; rsi: the new rsp. */
switch_stacks:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, (%rdi)
        mov     %rsi, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

enter_program:
        pop     %rcx                    /* SYSRET: rip from rcx, rflags from r11 */
        pop     %rdi
        pop     %rsp
        mov     $RFLAGS_FIXED, %r11d
        sysretq

/* eax: number; edi: argument. SYSCALL has left the program's rip in rcx and its rflags in r11. */
system_call_entry:
        mov     %rsp, program_rsp(%rip)
        mov     task_state + KERNEL_STACK(%rip), %rsp
        push    program_rsp(%rip)
        push    %rcx
        push    %r11
        sub     $8, %rsp                /* a multiple of 16 at the call */
        mov     %eax, %esi
        call    system_call
        add     $8, %rsp
        pop     %r11
        pop     %rcx
        pop     %rsp
        sysretq

        .bss
        .balign 8
program_rsp:
        .skip   8
