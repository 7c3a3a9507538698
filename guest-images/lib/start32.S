/*
 * The start of a 32-bit guest in C, an ELF file with a PVH note (Xen's docs/misc/pvh) that is entered with flat segments,
 * paging off and ebx = the address of hvm_start_info: segments of its own, then `void main(const struct start_info *)`.
 */
#define XEN_ELFNOTE_PHYS32_ENTRY        18
#define CODE_SELECTOR   0x08
#define DATA_SELECTOR   0x10
#define STACK_BYTES     16384

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 4, XEN_ELFNOTE_PHYS32_ENTRY  /* bytes of the name and of the descriptor, type */
        .asciz  "Xen"
        .long   start

        .text
        .code32
        .globl  start
start:
        cli
        cld
        lgdt    gdt_pointer
        ljmp    $CODE_SELECTOR, $1f
1:      mov     $DATA_SELECTOR, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     $stack_top - 12, %esp           /* with the argument, a multiple of 16 at the call */
        push    %ebx
        call    main
2:      cli
        hlt
        jmp     2b

        .section .rodata
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* code, 0 to 4 GiB, ring 0 */
        .quad   0x00cf93000000ffff      /* data */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt

        .bss
        .balign 16
        .skip   STACK_BYTES
stack_top:
