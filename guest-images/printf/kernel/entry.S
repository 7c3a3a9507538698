/*
 * The ways between the rings: SYSCALL comes in at `system_call_entry`, and where it was chosen UD2 at
 * `system_call_trap`; SYSRET goes out. Interrupts are off.
 */
#include "printf/system-calls.h"
#define STACK_BYTES     4096
#define RFLAGS_FIXED    0x2             /* bit 1 is always set; all else clear: no interrupts, no I/O in ring 3 */

        .text
        .globl  enter_program, system_call_entry, system_call_trap

/* The first way out. rdi: where the program begins; rsi: its arguments; rdx: the end of its stack. */
enter_program:
        mov     %rdi, %rcx              /* SYSRET: rip from rcx, rflags from r11 */
        mov     $RFLAGS_FIXED, %r11d
        lea     -8(%rdx), %rsp          /* as after a CALL */
        mov     %rsi, %rdi
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %ebp, %ebp
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        xor     %r10d, %r10d
        sysretq

/* An exception of the program: makes of what the CPU has pushed what SYSCALL would have left, and goes on as after it. */
system_call_trap:
        mov     (%rsp), %rcx
        add     $UD2_BYTES, %rcx
        mov     16(%rsp), %r11
        mov     24(%rsp), %rsp

/* rax: number; rdi, rsi, rdx: what the call is given. SYSCALL changes no stack: rsp is still the program's. */
system_call_entry:
        mov     %rsp, program_rsp(%rip)
        lea     stack_end(%rip), %rsp
        push    %rcx                    /* the program's rip */
        push    %r11                    /* and rflags */
        mov     %rax, %rcx
        call    system_call
        pop     %r11
        pop     %rcx
        mov     program_rsp(%rip), %rsp
        xor     %edi, %edi              /* what the kernel had in these is not the program's to know */
        xor     %esi, %esi
        xor     %edx, %edx
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        xor     %r10d, %r10d
        sysretq

        .bss
        .balign 16
        .skip   STACK_BYTES
stack_end:
program_rsp:
        .skip   8
