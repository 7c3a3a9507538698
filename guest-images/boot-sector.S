/*
 * Shows what a BIOS gives a boot sector: loaded at 0x7c00, it prints by int 10h, waits for keys by int 16h and names
 * each, reads its own disk by int 13h, and ends at 'q' with status 1. With the signature it is a whole floppy image
 * of one sector.
 */
#define VIDEO           0x10
#define TELETYPE        0x0e            /* ah: write al, and move on */
#define DISK            0x13
#define READ_SECTORS    0x02            /* ah; al: count, ch: cylinder, cl: sector from 1, dh: head, dl: drive */
#define KEYBOARD        0x16
#define READ_KEY        0x00            /* ah; then al: ASCII, ah: scan code */
#define COPY            0x8000          /* where the disk's first sector is read to */
#define SIGNATURE       510
#define BIOS_TICKS      0x46c           /* counts timer interrupts, 18.2 a second */
#define LAST_BYTES_TICKS 3
#define DEBUG_EXIT      0xf4

        .code16
        .text
        .globl  start
start:
        ljmp    $0, $main
main:
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $start, %sp
        cld
        mov     %dl, drive
        mov     $hello, %si
        call    print

        mov     $(READ_SECTORS << 8 | 1), %ax
        mov     $COPY, %bx
        mov     $1, %cx
        mov     $0, %dh
        mov     drive, %dl
        int     $DISK
        mov     $unread, %si
        jc      1f
        cmpw    $0xaa55, COPY + SIGNATURE
        jne     1f
        mov     $read, %si
1:      call    print

        mov     $ready, %si
        call    print
2:      mov     $READ_KEY, %ah
        int     $KEYBOARD
        mov     %al, key
        mov     $pressed, %si
        call    print
        cmpb    $'q', key
        jne     2b
        mov     BIOS_TICKS, %ax         /* a BIOS that prints to a serial line may send its last bytes late */
3:      hlt
        mov     BIOS_TICKS, %dx
        sub     %ax, %dx
        cmp     $LAST_BYTES_TICKS, %dx
        jb      3b
        mov     $DEBUG_EXIT, %dx
        mov     $0, %ax
        out     %al, %dx
4:      cli
        hlt
        jmp     4b

/* Writes the text at si up to its zero byte. */
print:
        lodsb
        test    %al, %al
        jz      1f
        mov     $TELETYPE, %ah
        xor     %bx, %bx
        push    %si
        int     $VIDEO
        pop     %si
        jmp     print
1:      ret

drive:  .byte   0
hello:  .asciz  "hello from a boot sector\r\n"
read:   .asciz  "int 13h reads this disk\r\n"
unread: .asciz  "int 13h does not read this disk\r\n"
ready:  .asciz  "press a key\r\n"
pressed:
        .ascii  "key "
key:    .byte   0
        .asciz  "\r\n"
        .org    SIGNATURE
        .word   0xaa55
