/*
 * Shows string I/O. REP OUTSB of a text to the debug console (0xe9); REP INSB of 5,000 bytes from it, more than a page,
 * each of which must be 0xe9; and, with the UART looped back, REP OUTSB of eight different bytes and REP INSB of them,
 * which must come back in order: each element is read anew from the device. Results go to the debug console.
 */
#include "protected.inc"
#define DEBUG_CONSOLE   0xe9
#define BUFFER          0x200000
#define COUNT           5000
#define MCR_LOOP        0x10
#define FCR_ENABLE_CLEAR 0x07

        .macro  debug_print text:req
        mov     $5f, %esi
        mov     $6f - 5f, %ecx
        mov     $DEBUG_CONSOLE, %edx
        rep     outsb
        jmp     6f
5:      .ascii  "\text"
6:
        .endm

main:
        debug_print "rep outsb: written\n"

        mov     $BUFFER, %edi
        mov     $COUNT, %ecx
        mov     $DEBUG_CONSOLE, %edx
        rep     insb
        cmp     $BUFFER + COUNT, %edi
        jne     failed
        mov     $BUFFER, %edi
        mov     $COUNT, %ecx
        mov     $0xe9, %al
        repe    scasb
        jne     failed
        debug_print "rep insb: 5000 bytes, each e9\n"

        out_byte UART_FCR, FCR_ENABLE_CLEAR
        out_byte UART_MCR, MCR_LOOP
        mov     $sent, %esi
        mov     $sent_end - sent, %ecx
        mov     $UART_DATA, %edx
        rep     outsb
        mov     $UART_LSR, %edx
1:      in      %dx, %al
        test    $LSR_TEMT, %al
        jz      1b
        mov     $BUFFER, %edi
        mov     $sent_end - sent, %ecx
        mov     $UART_DATA, %edx
        rep     insb
        out_byte UART_MCR, 0
        out_byte UART_FCR, 0
        mov     $sent, %esi
        mov     $BUFFER, %edi
        mov     $sent_end - sent, %ecx
        repe    cmpsb
        jne     failed
        debug_print "rep insb: 8 different bytes in order\n"
        finish  0
failed:
        debug_print "failed\n"
        finish  1
sent:   .byte   0x01, 0x80, 0x7f, 0xfe, 0x00, 0xff, 0x55, 0xaa
sent_end:
