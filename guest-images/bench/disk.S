/*
 * The benchmark as one floppy disk that every PC starts, real or emulated, with 64-bit mode or without: a boot sector,
 * a place for the command line, and both builds. So the same file goes to every engine. A host writes the command line,
 * which ends with a zero byte, to byte 512 of the file; there is room for 3 KiB. The boot sector says "boot" on COM1,
 * reads the rest by the BIOS, and enters the 64-bit build, or the 32-bit one where the processor has no long mode or
 * the command line begins with `bits=32`. Both are entered as a PVH loader would.
 */
#define BOOT            0x7c00
#define LOW_RAM_END     0x90000         /* the BIOS's own memory is above */
#define SECTOR_BYTES    512
#define SIGNATURE       510
#define COMMAND_LINE_BYTES 3072
#define FLOPPY_BYTES    (1440 * 1024)
#define DISK            0x13
#define RESET           0x00
#define READ_SECTORS    0x02            /* ah; al: count, ch: cylinder, cl: sector from 1, dh: head, dl: drive */
#define READ_GEOMETRY   0x08            /* then cl: sectors of a track in bits 0 to 5, dh: the last head */
#define TRIES           3
#define SYSTEM_CONTROL_A 0x92           /* port: bit 1 lets address line 20 through, bit 0 resets */
#define COM1            0x3f8
#define COM1_LCR        0x3fb
#define COM1_LSR        0x3fd
#define LCR_DLAB        0x80            /* then the port at COM1 is the low half of the divisor */
#define LCR_8_BITS      0x03
#define DIVISOR_115200  1
#define LSR_THRE        0x20
#define CODE_SELECTOR   0x08
#define DATA_SELECTOR   0x10
#define MIB             0x100000
#define HVM_MAGIC       0x336ec578      /* XEN_HVM_START_MAGIC_VALUE */
#define EXTENDED_LEAF   0x80000000
#define LONG_MODE       29              /* leaf 0x80000001, edx */

        .code16
        .text
        .globl  start
start:
        ljmp    $0, $main
main:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $start, %sp
        cld
        mov     %dl, drive

        /* Interrupts are off: a BIOS with a serial console sends its own last bytes by its timer. */
        mov     $COM1_LCR, %dx
        mov     $LCR_DLAB | LCR_8_BITS, %al
        out     %al, %dx
        mov     $COM1, %dx
        mov     $DIVISOR_115200, %al
        out     %al, %dx
        inc     %dx
        xor     %al, %al
        out     %al, %dx
        mov     $COM1_LCR, %dx
        mov     $LCR_8_BITS, %al
        out     %al, %dx
        mov     $word_boot, %si
        call    print
        sti

        /* Where a sector is, follows from the drive's heads and sectors. This call changes es and di. */
        mov     $READ_GEOMETRY, %ah
        mov     drive, %dl
        int     $DISK
        mov     $word_disk, %si
        jc      fail
        movzbw  %dh, %dx
        inc     %dx
        mov     %dx, heads
        and     $0x3f, %cx
        mov     %cx, track_sectors

        mov     $1, %di                 /* the sector's number */
        mov     $(BOOT + SECTOR_BYTES) >> 4, %bp
1:      call    read_sector
        inc     %di
        add     $SECTOR_BYTES >> 4, %bp
        cmp     $sectors, %di
        jb      1b

        cli
        in      $SYSTEM_CONTROL_A, %al
        or      $2, %al
        and     $0xfe, %al
        out     %al, $SYSTEM_CONTROL_A
        lgdt    gdt_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmp    $CODE_SELECTOR, $protected

/* Reads sector di to bp * 16. One at a time: none crosses 64 KiB, where a floppy's DMA cannot go on. */
read_sector:
        movb    $TRIES, tries
1:      mov     %di, %ax
        xor     %dx, %dx
        divw    track_sectors
        mov     %dl, %cl
        inc     %cl
        xor     %dx, %dx
        divw    heads
        mov     %al, %ch
        mov     %dl, %dh
        mov     drive, %dl
        mov     %bp, %es
        xor     %bx, %bx
        mov     $(READ_SECTORS << 8 | 1), %ax
        int     $DISK
        jnc     2f
        mov     $RESET, %ah
        mov     drive, %dl
        int     $DISK
        decb    tries
        jnz     1b
        mov     $word_disk, %si
        jmp     fail
2:      ret

fail:   call    print
3:      cli
        hlt
        jmp     3b

/* Writes the text at si up to its zero byte to COM1; gives up on a byte after a while, where there is no COM1. */
print:
        lodsb
        test    %al, %al
        jz      3f
        mov     %al, %ah
        mov     $COM1_LSR, %dx
        mov     $0xffff, %cx
1:      in      %dx, %al
        test    $LSR_THRE, %al
        loopz   1b
        mov     $COM1, %dx
        mov     %ah, %al
        out     %al, %dx
        jmp     print
3:      ret

        .code32
protected:
        mov     $DATA_SELECTOR, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $BOOT, %esp
        mov     $kernel32, %esi
        mov     $kernel32_bytes, %ebp
        cmpl    $0x73746962, command_line       /* "bits" */
        jne     1f
        cmpl    $0x0032333d, command_line + 4   /* "=32" and an end */
        je      2f
        cmpl    $0x2032333d, command_line + 4   /* "=32 " */
        je      2f
1:      mov     $EXTENDED_LEAF, %eax
        cpuid
        cmp     $EXTENDED_LEAF, %eax
        jbe     2f
        mov     $EXTENDED_LEAF + 1, %eax
        cpuid
        bt      $LONG_MODE, %edx
        jnc     2f
        mov     $kernel64, %esi
        mov     $kernel64_bytes, %ebp
2:      mov     $MIB, %edi              /* the build's zeros are not in the file */
        mov     $MIB / 4, %ecx
        xor     %eax, %eax
        rep stosl
        mov     $MIB, %edi
        mov     %ebp, %ecx
        rep movsb
        mov     $start_info, %ebx
        mov     $MIB, %eax
        jmp     *%eax

drive:  .byte   0
tries:  .byte   0
heads:  .word   0
track_sectors:
        .word   0
word_boot:
        .asciz  "\nboot\n"
word_disk:
        .asciz  "the disk cannot be read\n"
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* code, 0 to 4 GiB */
        .quad   0x00cf93000000ffff      /* data */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
/* struct hvm_start_info, lib/start-info.h */
start_info:
        .long   HVM_MAGIC, 0, 0, 0
        .quad   0
        .long   command_line, 0
        .quad   0
        .org    SIGNATURE
        .word   0xaa55

command_line:
        .skip   COMMAND_LINE_BYTES
        .balign SECTOR_BYTES
kernel64:
        .incbin KERNEL64
        .set    kernel64_bytes, . - kernel64
        .balign 4
kernel32:
        .incbin KERNEL32
        .set    kernel32_bytes, . - kernel32
        .balign SECTOR_BYTES
        .set    sectors, (. - start) / SECTOR_BYTES
        .org    LOW_RAM_END - BOOT      /* fails where the builds do not fit */
        .org    FLOPPY_BYTES
