/*
 * Shows that output is there soon of a guest that makes no exit any more: FLOOD bytes to COM1 without a look at LSR, in
 * which a monitor may let writes gather, then a last line, and then it spins.
 */
#include "protected.inc"
#include "late.inc"
main:
        call    flood
        mov     $last_words, %esi
        mov     $UART_DATA, %edx
        mov     $last_words_end - last_words, %ecx
1:      lodsb
        out     %al, %dx
        dec     %ecx
        jnz     1b
#include "spin.inc"
last_words:
        .ascii  "\nlast words\n"
last_words_end:
