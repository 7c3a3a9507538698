/*
 * Shows that no output is lost: BYTES pseudo-random bytes to COM1, as fast as a driver with FIFOs sends them: sixteen
 * each time the FIFO is empty. From x = 1, x becomes 1664525 x + 1013904223 modulo 2^32, and its highest byte is sent.
 */
#include "protected.inc"
#define FCR_ENABLE      0x01
#define FIFO_SIZE       16
main:
        out_byte UART_FCR, FCR_ENABLE
        mov     $1, %ebx
        mov     $BYTES / FIFO_SIZE, %esi
1:      mov     $UART_LSR, %edx
2:      in      %dx, %al
        test    $LSR_THRE, %al
        jz      2b
        mov     $UART_DATA, %edx
        mov     $FIFO_SIZE, %ecx
3:      imul    $1664525, %ebx, %ebx
        add     $1013904223, %ebx
        mov     %ebx, %eax
        shr     $24, %eax
        out     %al, %dx
        dec     %ecx
        jnz     3b
        dec     %esi
        jnz     1b
        finish  0
