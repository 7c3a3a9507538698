/*
 * Shows interrupts: the PIT gives ten ticks at 100 Hz, each of which wakes the guest from HLT; then a line is sent
 * byte by byte from the UART's transmitter interrupt.
 */
#include "protected.inc"
#include "interrupts.inc"
#define PIT_CHANNEL_0   0x40
#define PIT_CONTROL     0x43
#define PIT_RATE        0x34            /* channel 0, low then high byte, mode 2 (8254) */
#define PIT_COUNT       11932           /* 1,193,182 Hz to 100 Hz */
#define IER_ETBEI       0x02
#define IIR_NONE        0x01
#define IIR_THRE        0x02
#define MCR_OUT2_RTS_DTR 0x0b           /* OUT2 lets the interrupt out */

main:
        call    setup_interrupts
        handle_irq 0, tick
        mov     $PIT_RATE, %al
        out     %al, $PIT_CONTROL
        mov     $PIT_COUNT & 0xff, %al
        out     %al, $PIT_CHANNEL_0
        mov     $PIT_COUNT >> 8, %al
        out     %al, $PIT_CHANNEL_0
        wait_until ticks, 10
        mov     $0xff, %al
        out     %al, $PIC1_DATA
        print   "10 ticks\n"

        handle_irq 4, transmit
        movl    $line, next
        out_byte UART_MCR, MCR_OUT2_RTS_DTR
        out_byte UART_IER, IER_ETBEI
        wait_until sent, 1
        print   "transmitted\n"
        finish  0

tick:
        push    %eax
        incl    ticks
        end_of_interrupt
        pop     %eax
        iret

transmit:
        push    %eax
        push    %edx
        push    %esi
1:      mov     $UART_IIR, %edx
        in      %dx, %al
        test    $IIR_NONE, %al
        jnz     3f
        and     $0x0f, %al
        cmp     $IIR_THRE, %al
        jne     1b
        mov     next, %esi
        lodsb
        mov     %esi, next
        test    %al, %al
        jz      2f
        mov     $UART_DATA, %edx
        out     %al, %dx
        jmp     1b
2:      out_byte UART_IER, 0
        movl    $1, sent
3:      end_of_interrupt
        pop     %esi
        pop     %edx
        pop     %eax
        iret

        .balign 4
ticks:  .long   0
sent:   .long   0
next:   .long   0
line:   .asciz  "sent by interrupt\n"
