/*
 * Shows that a guest runs in 16-bit real mode from 0x7c00, where a BIOS puts a boot sector (this file is one, with
 * the signature): prints a line on COM1 and halts for ever with interrupts off.
 */
        .code16
        .text
        .globl  start
start:
        ljmp    $0, $main
#include "console.inc"
main:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $start, %esp
        mov     $text, %esi
        call    puts
1:      hlt
        jmp     1b
text:   .asciz  "hello from real mode\n"
        .org    510
        .word   0xaa55
