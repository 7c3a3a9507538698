/*
 * Shows the usual form of a small kernel: an ELF32 file with a multiboot 1 header, which says where its segments go.
 * Checks the loader's magic number, prints the last word of its command line, and ends through isa-debug-exit with 0, or with
 * 1 where no multiboot loader has started it.
 */
#include "protected.inc"
#define MULTIBOOT_BOOTLOADER_MAGIC      0x2badb002
#define INFO_FLAGS      0
#define INFO_CMDLINE    16
#define HAS_CMDLINE     (1 << 2)

main:
        cmp     $MULTIBOOT_BOOTLOADER_MAGIC, %eax
        jne     unknown
        print   "hello from a multiboot kernel\n"
        testl   $HAS_CMDLINE, INFO_FLAGS(%ebx)
        jz      1f
        print   "last word of the command line: "
        mov     INFO_CMDLINE(%ebx), %esi
        call    find_last_word
        call    puts
        print   "\n"
1:      finish  0
unknown:
        print   "not started by a multiboot loader\n"
        finish  1

/* Moves esi to the last word of its text. Some loaders (GRUB, QEMU) put the kernel's own name before all others. */
find_last_word:
        mov     %esi, %edx
1:      lodsb
        cmp     $' ', %al
        cmove   %esi, %edx
        test    %al, %al
        jnz     1b
        mov     %edx, %esi
        ret
