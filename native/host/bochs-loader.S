# An option ROM that starts a kernel at its PVH entry in Bochs: no boot disk, no boot loader, no decompression.
# The BIOS calls it at 0xd0003. Reading the entry port makes bochs-shim.c copy kernel and initramfs into memory.
        .set    PORT_ENTRY, 0x5648      # as in bochs-shim.c; the start info's port is 4 further

        .code16
        .byte   0x55, 0xaa, 1           # signature, size in 512-byte blocks
        cli
        inb     $0x92, %al              # A20 on
        orb     $2, %al
        outb    %al, $0x92
        movw    $PORT_ENTRY, %dx
1:      inl     %dx, %eax               # the entry's address, or all ones until the shim is there
        cmpl    $-1, %eax
        je      1b
        movl    %eax, %edi
        addw    $4, %dx
        inl     %dx, %eax
        movl    %eax, %ebx              # PVH: ebx holds the address of the start info
        lgdtl   %cs:gdt_pointer
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $8, $(0xd0000 + protected)

        .code32
protected:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        jmp     *%edi

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      # 8: flat 32-bit code
        .quad   0x00cf93000000ffff      # 16: flat data
gdt_pointer:
        .word   . - gdt - 1
        .long   0xd0000 + gdt
