/*
 * The benchmark as one file of 64 KiB that every engine starts in the quickest way that it knows: as a multiboot kernel
 * (QEMU, v86, this project), or in place of a PC's BIOS (Bochs). It holds both builds. The one in 64-bit mode runs, or that in
 * 32-bit mode where the processor has no long mode or the command line has the word `bits=32`. Both are entered as a
 * PVH loader would. Who has no way to hand over a command line, writes it, with a zero byte as its end, to byte 512 of
 * the file, where there are 3 KiB for it.
 *
 * All of it lies at 1 MiB when it runs. The first thing that it does is to say "boot" on COM1.
 */
#define IMAGE           0x100000
#define IMAGE_BYTES     0x10000
#define KERNEL64        0x101000        /* where the builds are linked, and their zeros: the Makefile has these too */
#define KERNEL32        0x108000
#define ZEROS           0x110000
#define ZEROS_END       0x180000
#define COMMAND_LINE    512
#define COMMAND_LINE_BYTES 3072
#define ROM             0xffff0000      /* as a BIOS it ends at 4 GiB, and is entered 16 bytes before */
#define RESET_VECTOR    (IMAGE_BYTES - 16)
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_ADDRESSES 0x00010000  /* flags, bit 16: the address fields are valid */
#define MULTIBOOT_LOADED 0x2badb002     /* eax; ebx: the address of its information */
#define INFO_FLAGS      0
#define INFO_CMDLINE    2               /* a bit in the flags */
#define INFO_CMDLINE_ADDRESS 16
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
#define CR0_PE          1
#define HVM_MAGIC       0x336ec578      /* XEN_HVM_START_MAGIC_VALUE */
#define EXTENDED_LEAF   0x80000000
#define LONG_MODE       29              /* leaf 0x80000001, edx */

        .code32
        .text
        .globl  start
start:  jmp     entered
        .balign 4
header: .long   MULTIBOOT_MAGIC, MULTIBOOT_ADDRESSES, -(MULTIBOOT_MAGIC + MULTIBOOT_ADDRESSES)
        .long   header, start, 0, ZEROS_END, start      /* header, load, end of the file, end of the zeros, entry */

/* 32-bit protected mode, flat segments, paging off, no stack; eax and ebx are the loader's. */
entered:
        cli
        cld
        mov     %eax, %ebp
        mov     $COM1_LCR, %edx
        mov     $LCR_DLAB | LCR_8_BITS, %al
        out     %al, %dx
        mov     $COM1, %edx
        mov     $DIVISOR_115200, %al
        out     %al, %dx
        inc     %edx
        xor     %al, %al
        out     %al, %dx
        mov     $COM1_LCR, %edx
        mov     $LCR_8_BITS, %al
        out     %al, %dx
        mov     $word_boot, %esi
        mov     $word_boot_end - word_boot, %ecx
1:      mov     $COM1_LSR, %edx
2:      in      %dx, %al
        test    $LSR_THRE, %al
        jz      2b
        mov     $COM1, %edx
        lodsb
        out     %al, %dx
        loop    1b

        mov     $IMAGE + COMMAND_LINE, %esi
        cmp     $MULTIBOOT_LOADED, %ebp
        jne     1f
        btl     $INFO_CMDLINE, INFO_FLAGS(%ebx)
        jnc     1f
        mov     INFO_CMDLINE_ADDRESS(%ebx), %esi
1:      mov     %esi, start_info_command_line

        mov     $KERNEL32, %ebp
        dec     %esi
2:      inc     %esi
        cmpb    $0, (%esi)
        je      3f
        cmpl    $0x73746962, (%esi)     /* "bits" */
        jne     2b
        cmpw    $0x333d, 4(%esi)        /* "=3" */
        jne     2b
        jmp     4f
3:      mov     $EXTENDED_LEAF, %eax
        cpuid
        cmp     $EXTENDED_LEAF, %eax
        jbe     4f
        mov     $EXTENDED_LEAF + 1, %eax
        cpuid
        bt      $LONG_MODE, %edx
        jnc     4f
        mov     $KERNEL64, %ebp
4:      mov     $start_info, %ebx
        jmp     *%ebp

word_boot:
        .ascii  "\nboot\n"
word_boot_end:
        .balign 8
/* struct hvm_start_info, lib/start-info.h */
start_info:
        .long   HVM_MAGIC, 0, 0, 0
        .quad   0
start_info_command_line:
        .quad   0, 0

        .org    COMMAND_LINE
        .skip   COMMAND_LINE_BYTES
        .org    KERNEL64 - IMAGE
        .incbin BUILD64
        .org    KERNEL32 - IMAGE        /* fails where the one before is too long */
        .incbin BUILD32
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* code, 0 to 4 GiB */
        .quad   0x00cf93000000ffff      /* data */
gdt_pointer:
        .word   . - gdt - 1
        .long   ROM - IMAGE + gdt

/* The way from a reset: to protected mode, and all to where it runs. */
        .code16
reset:  cli
        in      $SYSTEM_CONTROL_A, %al
        or      $2, %al
        and     $0xfe, %al
        out     %al, $SYSTEM_CONTROL_A
        lgdtl   %cs:gdt_pointer - start
        mov     %cr0, %eax
        or      $CR0_PE, %al
        mov     %eax, %cr0
        ljmpl   $CODE_SELECTOR, $ROM - IMAGE + protected
        .code32
protected:
        mov     $DATA_SELECTOR, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        cld
        mov     $ROM, %esi
        mov     $IMAGE, %edi
        mov     $IMAGE_BYTES / 4, %ecx
        rep movsl
        xor     %eax, %eax
        mov     $(ZEROS_END - ZEROS) / 4, %ecx
        rep stosl
        ljmp    $CODE_SELECTOR, $start

        .org    RESET_VECTOR
        .code16
        jmp     reset
        .org    IMAGE_BYTES
