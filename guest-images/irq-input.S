/* Shows the receive interrupt: waits in HLT for each byte on COM1, prints it in hexadecimal, and ends at byte 4. */
#include "protected.inc"
#include "interrupts.inc"
#define END_OF_INPUT    0x04
#define IER_ERBFI       0x01
#define MCR_OUT2_RTS_DTR 0x0b           /* OUT2 lets the interrupt out */

main:
        call    setup_interrupts
        handle_irq 4, receive
        out_byte UART_MCR, MCR_OUT2_RTS_DTR
        out_byte UART_IER, IER_ERBFI
        print   "ready\n"
        wait_until ended, 1
        finish  0

/* Takes every byte that is there, for the line rises again only after it has fallen. */
receive:
        push    %eax
        push    %edx
1:      mov     $UART_LSR, %edx
        in      %dx, %al
        test    $LSR_DR, %al
        jz      3f
        mov     $UART_DATA, %edx
        in      %dx, %al
        cmp     $END_OF_INPUT, %al
        je      2f
        print   "received "
        print_hex 2
        print   "\n"
        jmp     1b
2:      movl    $1, ended
        jmp     1b
3:      end_of_interrupt
        pop     %edx
        pop     %eax
        iret

        .balign 4
ended:  .long   0
