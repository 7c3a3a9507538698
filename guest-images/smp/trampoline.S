/*
 * Where the other CPUs start: a startup interrupt lets them begin in real mode at a page below 1 MiB, to which this is
 * copied (TRAMPOLINE). They enter long mode with the first CPU's page tables, take a stack each, and call `other_cpu`.
 */
#include "smp/smp.h"
#define CODE_SELECTOR   0x08
#define DATA_SELECTOR   0x10
#define CR0_PE          (1 << 0)
#define CR0_PG          (1 << 31)
#define CR4_PAE         (1 << 5)
#define MSR_EFER        0xc0000080
#define EFER_LME        (1 << 8)
#define COPIED(label)   (TRAMPOLINE + (label) - trampoline)

        .text
        .globl  trampoline, trampoline_end
        .code16
trampoline:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   COPIED(trampoline_gdt)
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LME, %eax
        wrmsr
        mov     $CR0_PE | CR0_PG, %eax  /* from real mode straight to long mode; caches on */
        mov     %eax, %cr0
        ljmpl   $CODE_SELECTOR, $in_long_mode
        .balign 4
trampoline_gdt:                         /* a copy of gdt_pointer with 32-bit base: real mode's LGDT reads no more */
        .word   3 * 8 - 1
        .long   gdt
trampoline_end:

        .code64
in_long_mode:
        mov     $DATA_SELECTOR, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $1, %eax
        lock xadd %eax, stacks_taken(%rip)
        inc     %eax
        imul    $STACK_BYTES, %eax
        lea     stacks(%rax), %rsp      /* the end of this CPU's stack */
        call    other_cpu
1:      cli
        hlt
        jmp     1b

        .bss
        .balign 16
stacks: .skip   MAX_CPUS * STACK_BYTES
stacks_taken:
        .skip   4
