/* Shows a reset by the reset control register at 0xcf9: a hard reset is asked for first, then started. */
#include "protected.inc"
#define RESET_CONTROL   0xcf9
#define SYS_RST         0x02            /* hard reset */
#define RST_CPU         0x04            /* 0 to 1 starts it */
main:
        print   "reset by port 0xcf9\n"
        out_byte RESET_CONTROL, SYS_RST
        out_byte RESET_CONTROL, SYS_RST | RST_CPU
1:      hlt
        jmp     1b
