/* Shows a reset by the keyboard controller: command 0xfe pulses its output line 0 (i8042). Halts if nothing comes. */
#include "protected.inc"
main:
        print   "reset by the keyboard controller\n"
1:      in      $0x64, %al
        test    $0x02, %al              /* status: the input buffer is full */
        jnz     1b
        mov     $0xfe, %al
        out     %al, $0x64
2:      hlt
        jmp     2b
