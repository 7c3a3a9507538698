/* The ways between the rings and between two stacks (tasks.h), in 32-bit mode. Interrupts are off. */
#define PROGRAM_DATA    0x1b            /* lib/segments.h */
#define PROGRAM_CODE    0x23
#define EFLAGS_FIXED    0x2             /* bit 1 is always set; all else clear: no interrupts, no I/O in ring 3 */

        .text
        .globl  switch_stacks, enter_program, system_call_entry

/* Its arguments: where esp goes, and the new esp. */
switch_stacks:
        mov     4(%esp), %eax
        mov     8(%esp), %ecx
        push    %ebx
        push    %ebp
        push    %esi
        push    %edi
        mov     %esp, (%eax)
        mov     %ecx, %esp
        pop     %edi
        pop     %esi
        pop     %ebp
        pop     %ebx
        ret

enter_program:
        pop     %eax
        pop     %ecx
        pop     %edx
        mov     %ecx, 4(%edx)           /* the argument, as after a call */
        push    $PROGRAM_DATA
        push    %edx
        push    $EFLAGS_FIXED
        push    $PROGRAM_CODE
        push    %eax
        iret

/* eax: number; edx: argument. */
system_call_entry:
        sub     $4, %esp                /* a multiple of 16 at the call */
        push    %eax
        push    %edx
        call    system_call
        add     $12, %esp
        iret
