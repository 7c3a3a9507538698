/*
 * Shows the text screen of a PC: 80 columns and 25 lines of cells at 0xb8000, a character and its colours in each, and
 * the cursor, which the CRT controller places. Every colour gets a line of its own; then the first line is read back
 * from the screen's memory and sent to COM1.
 */
#include "protected.inc"
#define SCREEN          0xb8000
#define COLUMNS         80
#define LINES           25
#define COLOURS         16
#define LIGHT_GREY      0x07            /* foreground in bits 0 to 3, background in bits 4 to 6 */
#define CRTC_INDEX      0x3d4
#define CRTC_DATA       0x3d5
#define CURSOR_HIGH     0x0e            /* cursor location, in cells from the start of the screen */
#define CURSOR_LOW      0x0f
#define CURSOR          (18 * COLUMNS)

        .macro  crtc register:req, value:req
        out_byte CRTC_INDEX, \register
        out_byte CRTC_DATA, \value
        .endm

main:
        mov     $SCREEN, %edi           /* clear the screen */
        mov     $(LIGHT_GREY << 8) + ' ', %eax
        mov     $COLUMNS * LINES, %ecx
        rep     stosw

        mov     $SCREEN, %edi
        mov     $title, %esi
        mov     $LIGHT_GREY, %ah
        call    show
        xor     %ebx, %ebx              /* colour */
1:      mov     %ebx, %edi
        add     $2, %edi
        imul    $COLUMNS * 2, %edi
        add     $SCREEN, %edi
        mov     $colour, %esi
        mov     %bl, %ah
        call    show
        mov     hex_digits(%ebx), %al
        stosw
        inc     %ebx
        cmp     $COLOURS, %ebx
        jb      1b

        crtc    CURSOR_HIGH, CURSOR >> 8
        crtc    CURSOR_LOW, CURSOR & 0xff

        print   "the screen says: "
        mov     $SCREEN, %esi
        mov     $title_length, %ecx
2:      lodsw
        call    putc
        loop    2b
        print   "\ncursor at "
        mov     $CRTC_INDEX, %edx
        mov     $CURSOR_HIGH, %al
        out     %al, %dx
        inc     %edx
        in      %dx, %al
        mov     %al, %bh
        dec     %edx
        mov     $CURSOR_LOW, %al
        out     %al, %dx
        inc     %edx
        in      %dx, %al
        mov     %bh, %ah
        print_hex 4
        print   "\n"
        finish  0

/* Puts the text at esi into the cells from edi on, in the colours of ah. */
show:   lodsb
        test    %al, %al
        jz      1f
        stosw
        jmp     show
1:      ret

title:  .asciz  "text mode: 80 columns, 25 lines"
        .equ    title_length, . - title - 1
colour: .asciz  "this is colour "
