/*
 * Shows that the interrupt of an empty transmitter comes after a byte that was written without a look at any register
 * since, in the midst of a flood: FLOOD bytes to COM1, then SENT bytes, each of which waits for the interrupt of the one
 * before and makes no further exit; and again FLOOD bytes, ahead of a line.
 */
#include "protected.inc"
#include "interrupts.inc"
#include "late.inc"
#define SENT            300
#define IER_ETBEI       0x02
#define MCR_OUT2_RTS_DTR 0x0b
main:
        call    setup_interrupts
        out_byte UART_MCR, MCR_OUT2_RTS_DTR
        handle_irq 4, transmit
        call    flood
        out_byte UART_IER, IER_ETBEI
        wait_until sent, SENT
        out_byte UART_IER, 0
        call    flood
        print   "\ndone\n"
        finish  0

/* Writes the next byte, and does not read IIR: the write itself ends the interrupt. The PIC is KVM's. */
transmit:
        push    %eax
        push    %edx
        mov     sent, %eax
        cmp     $SENT, %eax
        jae     1f
        incl    sent
        mov     $UART_DATA, %edx
        out     %al, %dx
1:      end_of_interrupt
        pop     %edx
        pop     %eax
        iret

        .balign 4
sent:   .long   0
