/*
 * Shows MMIO of every width at 0xd0000000, where nothing is: 1, 2, 4, 8 (MMX) and 16 bytes (SSE), unaligned, across a
 * page, read-modify-write, and string instructions. Reads give all ones, so adding 1 gives 0 with carry. A write
 * leaves nothing to print but that the guest went on; the exits are the host's to check.
 */
#include "protected.inc"
#define HOLE            0xd0000000
#define PAGE            0x1000
#define CR0_MP          (1 << 1)
#define CR0_EM          (1 << 2)
#define CR0_TS          (1 << 3)
#define CR4_OSFXSR      (1 << 9)

main:
        mov     %cr0, %eax
        and     $~(CR0_EM | CR0_TS), %eax
        or      $CR0_MP, %eax
        mov     %eax, %cr0
        mov     %cr4, %eax
        or      $CR4_OSFXSR, %eax
        mov     %eax, %cr4

        print   "read 1: "
        mov     HOLE, %al
        print_hex 2
        print   "\nread 2: "
        mov     HOLE + 2, %ax
        print_hex 4
        print   "\nread 4: "
        mov     HOLE + 4, %eax
        print_hex 8
        print   "\nread 8: "
        movq    HOLE + 8, %mm0
        movq    %mm0, buffer
        call    put_buffer_8
        print   "\nread 16: "
        movups  HOLE + 16, %xmm0
        movups  %xmm0, buffer
        call    put_buffer_16
        print   "\nread 4 unaligned: "
        mov     HOLE + 1, %eax
        print_hex 8
        print   "\nread 4 across a page: "
        mov     HOLE + PAGE - 2, %eax
        print_hex 8
        print   "\nread 8 across a page: "
        movq    HOLE + PAGE - 3, %mm0
        movq    %mm0, buffer
        call    put_buffer_8
        print   "\nread 16 across a page: "
        movups  HOLE + PAGE - 5, %xmm0
        movups  %xmm0, buffer
        call    put_buffer_16
        print   "\nrep movsl from it: "
        mov     $HOLE, %esi
        mov     $buffer, %edi
        mov     $4, %ecx
        rep     movsl
        call    put_buffer_16

        movb    $0x11, HOLE
        movw    $0x2222, HOLE + 2
        movl    $0x44444444, HOLE + 4
        movq    pattern, %mm0
        movq    %mm0, HOLE + 8
        movups  pattern, %xmm0
        movups  %xmm0, HOLE + 16
        movl    $0x01020304, HOLE + 1
        movl    $0x05060708, HOLE + PAGE - 2
        movq    %mm0, HOLE + PAGE - 3
        movups  %xmm0, HOLE + PAGE - 5
        mov     $pattern, %esi
        mov     $HOLE, %edi
        mov     $4, %ecx
        rep     movsl
        mov     $HOLE, %edi
        mov     $3, %ecx
        mov     $0x5a, %al
        rep     stosb
        print   "\nwritten\nadd 1: carry "
        xor     %eax, %eax
        addl    $1, HOLE
        setc    %al
        print_hex 1
        print   "\n"
        finish  0

/* Writes the number in the buffer, its highest dword first. */
put_buffer_16:
        mov     buffer + 12, %eax
        print_hex 8
        mov     buffer + 8, %eax
        print_hex 8
put_buffer_8:
        mov     buffer + 4, %eax
        print_hex 8
        mov     buffer, %eax
        print_hex 8
        ret

        .balign 16
buffer: .fill   16
pattern:
        .byte   0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f
