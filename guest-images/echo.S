/*
 * Shows input: reads COM1 by polling, writes each byte back with a to z in capitals, and ends at byte 4 (Ctrl-D).
 * It says when it is ready, so that a test knows when to type.
 */
#include "protected.inc"
#define END_OF_INPUT    0x04
main:
        print   "ready\n"
1:      mov     $UART_LSR, %edx
2:      pause
        in      %dx, %al
        test    $LSR_DR, %al
        jz      2b
        mov     $UART_DATA, %edx
        in      %dx, %al
        cmp     $END_OF_INPUT, %al
        je      4f
        cmp     $'a', %al
        jb      3f
        cmp     $'z', %al
        ja      3f
        sub     $'a' - 'A', %al
3:      call    putc
        jmp     1b
4:      finish  0
