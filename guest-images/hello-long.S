/*
 * Shows a guest in 64-bit long mode: an ELF64 file entered through its PVH note, with page tables of its own (long.inc).
 * Prints a line and a number that only 64-bit arithmetic gives, and ends through isa-debug-exit with 0.
 */
#include "long.inc"
#define COM1_DATA       0x3f8
#define COM1_LSR        0x3fd
#define LSR_THRE        0x20            /* transmitter holding register empty */
#define DEBUG_EXIT      0xf4

main64:
        lea     text(%rip), %rsi
        call    puts
        mov     $0xfedcba98, %eax
        mov     $0x10000001, %ebx
        imul    %rbx, %rax
        call    put_hex
        lea     line_end(%rip), %rsi
        call    puts
        xor     %eax, %eax
        out     %al, $DEBUG_EXIT
1:      hlt
        jmp     1b

/* Writes the text at rsi up to its zero byte. */
puts:   lodsb
        test    %al, %al
        jz      1f
        call    putc
        jmp     puts
1:      ret

/* Writes al to COM1; changes rdx and rcx. */
putc:   mov     %eax, %ecx
        mov     $COM1_LSR, %edx
1:      in      %dx, %al
        test    $LSR_THRE, %al
        jz      1b
        mov     $COM1_DATA, %edx
        mov     %ecx, %eax
        out     %al, %dx
        ret

/* Writes rax as 16 hexadecimal digits. */
put_hex:
        mov     %rax, %r8
        mov     $16, %r9d
1:      rol     $4, %r8
        mov     %r8d, %eax
        and     $0xf, %eax
        mov     digits(%rax), %al
        call    putc
        dec     %r9d
        jnz     1b
        ret

        .section .rodata
text:   .asciz  "hello from long mode\nfedcba98 * 10000001 = "
line_end:
        .asciz  "\n"
digits: .ascii  "0123456789abcdef"
