/*
 * Shows port I/O wider than a register, and across a device's ends. An access of 2 or 4 bytes is that many byte-wide
 * accesses at consecutive ports, as the ISA bus does it; a port that nobody claims reads all ones. Each result is
 * recorded with the UART looped back, so that its modem status is known, and printed at the end. The names say the
 * direction, the width in bytes and the first port; after a write comes what a register then holds.
 */
#include "protected.inc"
#define RESULTS         0x200000
#define LCR_8N1         0x03
#define LCR_DLAB        0x80
#define MCR_LOOPED      0x1b            /* loop, OUT2, RTS, DTR: modem status 0xb0 */
#define UNCLAIMED       0x1234

/* Keeps eax as the next result; its name goes behind the code. */
        .macro  record name:req
        stosl
        .subsection 1
        .asciz  "\name"
        .subsection 0
        .endm
        .macro  record_in name:req, port:req, register:req
        mov     $\port, %dx
        xor     %eax, %eax
        in      %dx, %\register
        record  "\name"
        .endm
        .macro  out_wide port:req, value:req, register:req
        mov     $\port, %dx
        mov     $\value, %eax
        out     %\register, %dx
        .endm

        .subsection 1
names:                                  /* before the first that is recorded */
        .subsection 0

main:
        mov     $RESULTS, %edi
        out_byte UART_FCR, 0
        out_byte UART_LCR, LCR_8N1
        out_byte UART_SCR, 0x5a
        mov     $UART_LSR, %dx
1:      in      %dx, %al
        test    $LSR_TEMT, %al
        jz      1b
        out_byte UART_MCR, MCR_LOOPED
        mov     $UART_MSR, %dx
        in      %dx, %al                /* clears the deltas */

        record_in "in 4 3fc", 0x3fc, eax
        record_in "in 2 3fe", 0x3fe, ax
        record_in "in 2 3fa", 0x3fa, ax
        record_in "in 2 3fb unaligned", 0x3fb, ax
        record_in "in 4 3fd across the end", 0x3fd, eax
        record_in "in 2 3ff across the end", 0x3ff, ax
        record_in "in 4 3fe across the end", 0x3fe, eax
        record_in "in 1 1234 unclaimed", UNCLAIMED, al
        record_in "in 2 1234 unclaimed", UNCLAIMED, ax
        record_in "in 4 1234 unclaimed", UNCLAIMED, eax
        record_in "in 4 0f4", DEBUG_EXIT, eax

        out_wide 0x3fa, 0x1b00, ax
        record_in "out 2 3fa, then in 1 3fb", 0x3fb, al
        out_wide 0x3fc, 0xa500001b, eax
        record_in "out 4 3fc, then in 1 3ff", 0x3ff, al
        out_wide 0x3ff, 0x0077, ax
        record_in "out 2 3ff across the end, then in 1 3ff", 0x3ff, al

        out_byte UART_LCR, LCR_8N1 | LCR_DLAB
        out_wide 0x3f8, 0x0123, ax
        record_in "out 2 3f8, then in 2 3f8", 0x3f8, ax
        record_in "in 4 3f6 into the device", 0x3f6, eax
        out_wide 0x3f6, 0x0456ffff, eax
        record_in "out 4 3f6 into the device, then in 2 3f8", 0x3f8, ax
        out_wide 0x3f8, 0x0001, ax      /* 115200 baud again */
        out_byte UART_LCR, LCR_8N1
        out_byte UART_MCR, 0

        mov     $names, %esi
        mov     $RESULTS, %edi
2:      cmpb    $0, (%esi)
        je      3f
        call    puts
        print   ": "
        mov     (%edi), %eax
        add     $4, %edi
        print_hex 8
        print   "\n"
        jmp     2b
3:      finish  0

        .subsection 2
        .byte   0                       /* ends the names */
        .subsection 0
