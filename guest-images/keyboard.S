/*
 * Shows the keyboard: prints each scan code that the controller gives, first those that it asks for, until Escape is let
 * go, then those that IRQ 1 tells of, until Escape is let go again.
 */
#include "protected.inc"
#include "interrupts.inc"
#define KBD_DATA        0x60
#define KBD_COMMAND     0x64
#define KBD_STATUS      0x64
#define WRITE_CONFIG    0x60
#define CONFIG          0x65            /* translation to set 1, auxiliary port off, interrupt of the keyboard on */
#define OUTPUT_FULL     0x01
#define ESCAPE_RELEASED 0x81

main:
        call    setup_interrupts
        mov     $WRITE_CONFIG, %al
        out     %al, $KBD_COMMAND
        mov     $CONFIG, %al
        out     %al, $KBD_DATA
1:      in      $KBD_STATUS, %al        /* what a firmware has left */
        test    $OUTPUT_FULL, %al
        jz      2f
        in      $KBD_DATA, %al
        jmp     1b

2:      print   "asking\n"
3:      pause
        in      $KBD_STATUS, %al
        test    $OUTPUT_FULL, %al
        jz      3b
        in      $KBD_DATA, %al
        print   "asked "
        call    show
        cmp     $ESCAPE_RELEASED, %al
        jne     3b

        handle_irq 1, pressed
        print   "waiting\n"
        wait_until ended, 1
        finish  0

pressed:
        push    %eax
1:      in      $KBD_STATUS, %al
        test    $OUTPUT_FULL, %al
        jz      2f
        in      $KBD_DATA, %al
        print   "told "
        call    show
        cmp     $ESCAPE_RELEASED, %al
        jne     1b
        movl    $1, ended
        jmp     1b
2:      end_of_interrupt
        pop     %eax
        iret

/* Prints al and ends the line. */
show:   print_hex 2
        print   "\n"
        ret

        .balign 4
ended:  .long   0
