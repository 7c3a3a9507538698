/*
 * Writes and reads registers of a PC's devices, and prints each read in a line: what it was and what it gave. What
 * depends on time is masked. A section's lines come when the section is over, for the UART that prints is one of them.
 */
#include "protected.inc"
#include "registers.inc"
#define RTC_INDEX       0x70
#define RTC_DATA        0x71
#define KBD_DATA        0x60
#define KBD_COMMAND     0x64
#define PIT_CHANNEL_2   0x42
#define PIT_CONTROL     0x43
#define PIT_STATUS_2    0xe8            /* read-back command: latch the status of channel 2 (8254) */
#define PIT_STATUS_MASK 0x3f            /* without OUT and null count */
#define SPEAKER         0x61
#define SPEAKER_MASK    0x0f            /* without OUT of channel 2 and the refresh toggle */
#define PCI_ADDRESS     0xcf8
#define PCI_DATA        0xcfc

        .macro  rtc_write register:req, value:req
        outb    RTC_INDEX, \register
        outb    RTC_DATA, \value
        .endm

        .macro  rtc_read register:req, text:req, mask=-1
        outb    RTC_INDEX, \register
        inb     RTC_DATA, "rtc \text", \mask
        .endm

/* What the keyboard controller's command answers, and the status before and after it is read. */
        .macro  controller command:req, text:req
        outb    KBD_COMMAND, \command
        inb     KBD_COMMAND, "i8042 status after \text"
        inb     KBD_DATA, "i8042 \text"
        inb     KBD_COMMAND, "i8042 status, \text read"
        .endm

        .macro  pci_select address:req
        outl    PCI_ADDRESS, \address
        .endm

        .macro  pci_read address:req, text:req
        pci_select \address
        read    4, PCI_DATA, "pci \text"
        .endm

main:
        mov     $uart, %esi
        call    section
        mov     $rtc, %esi
        call    section
        mov     $i8042, %esi
        call    section
        mov     $keyboard, %esi
        call    section
        mov     $pit, %esi
        call    section
        mov     $pci, %esi
        call    section
        finish  0

        .balign 4
uart:
        outb    UART_IER, 0
        outb    UART_FCR, 0
        outb    UART_LCR, 0x03
        inb     UART_LCR, "uart LCR, 8 bits"
        outb    UART_LCR, 0x1f
        inb     UART_LCR, "uart LCR, 8 bits, 2 stop bits, even parity"
        outb    UART_LCR, 0x83
        inb     UART_LCR, "uart LCR with DLAB"
        outb    UART_DATA, 0x0c
        outb    UART_IER, 0x34
        inb     UART_DATA, "uart DLL"
        inb     UART_IER, "uart DLM"
        outb    UART_DATA, 0x01
        outb    UART_IER, 0x00
        outb    UART_LCR, 0x03
        inb     UART_IER, "uart IER beside DLM"
        outb    UART_IER, 0xff
        inb     UART_IER, "uart IER, all ones written"
        outb    UART_IER, 0x00
        inb     UART_IER, "uart IER, zeros written"
        outb    UART_SCR, 0xaa
        inb     UART_SCR, "uart SCR, aa written"
        outb    UART_SCR, 0x55
        inb     UART_SCR, "uart SCR, 55 written"
        outb    UART_MCR, 0xff
        inb     UART_MCR, "uart MCR, all ones written"
        outb    UART_MCR, 0x00
        inb     UART_MCR, "uart MCR, zeros written"

        inb     UART_IIR, "uart IIR, nothing enabled"
        outb    UART_FCR, 0x01
        inb     UART_IIR, "uart IIR with FIFOs"
        outb    UART_FCR, 0xc7
        inb     UART_IIR, "uart IIR with FIFOs cleared, trigger 14"
        outb    UART_FCR, 0xc6
        inb     UART_IIR, "uart IIR, FCR without its bit 0"
        outb    UART_IER, 0x02
        inb     UART_IIR, "uart IIR, THR empty"
        inb     UART_IIR, "uart IIR, once told"
        outb    UART_IER, 0x00
        outb    UART_IER, 0x02
        inb     UART_IIR, "uart IIR, THR empty enabled again"
        outb    UART_IER, 0x00

        drop    UART_MSR
        inb     UART_MSR, "uart MSR"
        outb    UART_MCR, 0x10
        inb     UART_MSR, "uart MSR, loopback begins"
        inb     UART_MSR, "uart MSR in loopback"
        outb    UART_MCR, 0x11
        drop    UART_MSR
        inb     UART_MSR, "uart MSR, loopback of DTR"
        outb    UART_MCR, 0x12
        drop    UART_MSR
        inb     UART_MSR, "uart MSR, loopback of RTS"
        outb    UART_MCR, 0x14
        drop    UART_MSR
        inb     UART_MSR, "uart MSR, loopback of OUT1"
        outb    UART_MCR, 0x18
        drop    UART_MSR
        inb     UART_MSR, "uart MSR, loopback of OUT2"
        outb    UART_IER, 0x08
        outb    UART_MCR, 0x1b
        inb     UART_IIR, "uart IIR, modem lines changed in loopback"
        drop    UART_MSR
        inb     UART_IIR, "uart IIR, modem status read"
        outb    UART_IER, 0x00

        drop    UART_DATA
        drop    UART_LSR
        inb     UART_LSR, "uart LSR, idle"
        outb    UART_DATA, 0x5a
        inb     UART_LSR, "uart LSR, a byte has come"
        inb     UART_DATA, "uart RBR"
        inb     UART_LSR, "uart LSR, the byte is read"
        outb    UART_DATA, 0x11
        outb    UART_DATA, 0x22
        inb     UART_LSR, "uart LSR, overrun"
        inb     UART_LSR, "uart LSR, overrun once told"
        inb     UART_DATA, "uart RBR after an overrun"
        outb    UART_FCR, 0x07
        .irp    byte, 1, 2, 3
        outb    UART_DATA, \byte
        .endr
        inb     UART_LSR, "uart LSR, three bytes in the FIFO"
        inb     UART_DATA, "uart RBR, first"
        inb     UART_DATA, "uart RBR, second"
        inb     UART_LSR, "uart LSR, one is left"
        inb     UART_DATA, "uart RBR, third"
        inb     UART_LSR, "uart LSR, FIFO empty"
        .irp    byte, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
        outb    UART_DATA, 0x40 + \byte
        .endr
        inb     UART_LSR, "uart LSR, 17 bytes for the FIFO"
        inb     UART_DATA, "uart RBR of a FIFO that overran"
        outb    UART_FCR, 0x03
        inb     UART_LSR, "uart LSR, receive FIFO cleared"
        outb    UART_FCR, 0x00
        outb    UART_MCR, 0x00          /* the end of loopback: from here on it prints */
        end

        .balign 4
rtc:
        rtc_write 0x0b, 0x82
        rtc_read 0x0b, "B, time held"
        rtc_write 0x0a, 0x26
        rtc_read 0x0a, "A"
        rtc_write 0x0a, 0xaf
        rtc_read 0x0a, "A, UIP written"
        rtc_write 0x0a, 0x20            /* no rate: no flag comes in C */
        rtc_read 0x0a, "A, no rate"
        rtc_write 0x0b, 0x92
        rtc_read 0x0b, "B, time held with UIE"
        rtc_write 0x0b, 0x86
        rtc_read 0x0b, "B, binary"
        rtc_write 0x0b, 0x82
        outb    RTC_INDEX, 0x0c
        drop    RTC_DATA
        rtc_read 0x0c, "C, once read"
        rtc_read 0x0d, "D"
        rtc_write 0x0d, 0x00
        rtc_read 0x0d, "D, zeros written"
        rtc_write 0x0a, 0x26
        rtc_write 0x00, 0x05
        rtc_write 0x02, 0x34
        rtc_write 0x04, 0x12
        rtc_write 0x06, 0x05
        rtc_write 0x07, 0x29
        rtc_write 0x08, 0x02
        rtc_write 0x09, 0x24
        rtc_write 0x32, 0x20
        rtc_read 0x00, "seconds, held"
        rtc_read 0x02, "minutes, held"
        rtc_read 0x04, "hours, held"
        rtc_read 0x06, "day of the week, held"
        rtc_read 0x07, "date, held"
        rtc_read 0x08, "month, held"
        rtc_read 0x09, "year, held"
        rtc_read 0x32, "century, held"
        rtc_write 0x0b, 0x02
        rtc_read 0x02, "minutes"
        rtc_read 0x04, "hours"
        rtc_read 0x06, "day of the week"
        rtc_read 0x07, "date, a leap day"
        rtc_read 0x08, "month"
        rtc_read 0x09, "year"
        rtc_read 0x32, "century"
        rtc_write 0x01, 0xc0
        rtc_write 0x03, 0x59
        rtc_write 0x05, 0xff
        rtc_read 0x01, "seconds of the alarm"
        rtc_read 0x03, "minutes of the alarm"
        rtc_read 0x05, "hours of the alarm"
        rtc_write 0x0f, 0x0a
        rtc_read 0x0f, "CMOS 0f, shutdown status"
        rtc_write 0x0f, 0x00
        rtc_read 0x15, "CMOS 15, base memory"
        rtc_read 0x16, "CMOS 16"
        rtc_read 0x17, "CMOS 17, extended memory"
        rtc_read 0x18, "CMOS 18"
        rtc_read 0x30, "CMOS 30, extended memory"
        rtc_read 0x31, "CMOS 31"
        rtc_read 0x34, "CMOS 34, memory above 16 MiB"
        rtc_read 0x35, "CMOS 35"
        rtc_write 0x50, 0xa5
        rtc_read 0x50, "CMOS 50"
        rtc_read 0xd0, "CMOS 50, NMI masked"
        rtc_write 0x7f, 0x5a
        rtc_read 0x7f, "CMOS 7f"
        inb     RTC_INDEX, "rtc index"
        end

        .balign 4
i8042:
        .rept   16
        drop    KBD_DATA
        .endr
        outb    KBD_COMMAND, 0x60
        outb    KBD_DATA, 0x65
        inb     KBD_COMMAND, "i8042 status, idle"
        controller 0x20, "configuration"
        controller 0xaa, "self-test"
        controller 0xab, "test of the keyboard's lines"
        controller 0xa9, "test of the auxiliary port's lines"
        controller 0xc0, "input port"
        controller 0xd0, "output port"
        outb    KBD_COMMAND, 0xd2
        outb    KBD_DATA, 0x3c
        inb     KBD_COMMAND, "i8042 status, keyboard's byte written"
        inb     KBD_DATA, "i8042 keyboard's byte written"
        outb    KBD_COMMAND, 0xd3
        outb    KBD_DATA, 0x3c
        inb     KBD_COMMAND, "i8042 status, auxiliary port's byte written"
        inb     KBD_DATA, "i8042 auxiliary port's byte written"
        outb    KBD_COMMAND, 0xad
        outb    KBD_COMMAND, 0x20
        inb     KBD_DATA, "i8042 configuration, keyboard off"
        outb    KBD_COMMAND, 0xae
        outb    KBD_COMMAND, 0x20
        inb     KBD_DATA, "i8042 configuration, keyboard on"
        outb    KBD_COMMAND, 0x60
        outb    KBD_DATA, 0x45
        outb    KBD_COMMAND, 0x20
        inb     KBD_DATA, "i8042 configuration, auxiliary port on"
        outb    KBD_COMMAND, 0x60
        outb    KBD_DATA, 0x65
        end

        .macro  keyboard_byte value:req, text:req
        outb    KBD_DATA, \value
        inb     KBD_DATA, "keyboard's answer to \text"
        .endm

        .balign 4
keyboard:
        keyboard_byte 0xee, "echo"
        keyboard_byte 0xf5, "disable"
        keyboard_byte 0xf2, "identify"
        inb     KBD_DATA, "keyboard's identity"
        inb     KBD_DATA, "keyboard's identity, second byte, translated"
        keyboard_byte 0xf0, "scan code set"
        keyboard_byte 0x00, "which"
        inb     KBD_DATA, "keyboard's scan code set, translated"
        keyboard_byte 0xed, "LEDs"
        keyboard_byte 0x00, "all off"
        keyboard_byte 0xf3, "typematic rate"
        keyboard_byte 0x20, "10.9 a second"
        keyboard_byte 0x33, "what is no command"
        keyboard_byte 0xff, "reset"
        inb     KBD_DATA, "keyboard's self-test"
        keyboard_byte 0xf4, "enable"
        inb     KBD_COMMAND, "i8042 status, all read"
        end

        .macro  channel_2 control:req, text:req
        outb    PIT_CONTROL, \control
        outb    PIT_CHANNEL_2, 0x34
        outb    PIT_CHANNEL_2, 0x12
        outb    PIT_CONTROL, PIT_STATUS_2
        inb     PIT_CHANNEL_2, "pit status of channel 2, \text", PIT_STATUS_MASK
        .endm

        .balign 4
pit:
        .irp    value, 0, 1, 2, 3
        outb    SPEAKER, \value
        inb     SPEAKER, "port 61, \value written", SPEAKER_MASK
        .endr
        outb    SPEAKER, 0
        channel_2 0xb0, "mode 0"
        channel_2 0xb2, "mode 1"
        channel_2 0xb4, "mode 2"
        channel_2 0xb6, "mode 3"
        channel_2 0xb8, "mode 4"
        channel_2 0xba, "mode 5"
        channel_2 0xbe, "mode 7, which is 3"
        channel_2 0xb7, "mode 3 in BCD"
        outb    PIT_CONTROL, 0x90
        outb    PIT_CHANNEL_2, 0x12
        outb    PIT_CONTROL, PIT_STATUS_2
        inb     PIT_CHANNEL_2, "pit status of channel 2, low byte only", PIT_STATUS_MASK
        end

        .balign 4
pci:
        pci_select 0x80000000
        read    4, PCI_ADDRESS, "pci address, device 0"
        pci_select 0xffffffff
        read    4, PCI_ADDRESS, "pci address, all ones written"
        pci_select 0x00000000
        read    4, PCI_DATA, "pci data, not enabled"
        pci_read 0x80000000, "device and vendor"
        read    2, PCI_DATA, "pci vendor, 2 bytes"
        read    2, PCI_DATA + 2, "pci device, 2 bytes"
        inb     PCI_DATA + 1, "pci vendor, its byte 1"
        inb     PCI_DATA + 3, "pci device, its byte 1"
        outl    PCI_DATA, 0
        read    4, PCI_DATA, "pci device and vendor, zeros written"
        pci_read 0x80000004, "status and command"
        pci_read 0x80000008, "class and revision"
        pci_read 0x8000000c, "header type, latency, cache line"
        pci_read 0x80000010, "first base address"
        outl    PCI_DATA, 0xffffffff
        read    4, PCI_DATA, "pci first base address, all ones written"
        pci_read 0x8000002c, "subsystem"
        pci_read 0x80000034, "capabilities"
        pci_read 0x8000003c, "interrupt"
        pci_select 0x80000058
        outb    PCI_DATA + 1, 0x30
        outb    PCI_DATA + 2, 0x33
        inb     PCI_DATA + 1, "pci PAM0"
        inb     PCI_DATA + 2, "pci PAM1"
        pci_read 0x80000100, "function 1 of device 0"
        pci_read 0x80000800, "device 1"
        pci_read 0x8000f800, "device 31"
        pci_read 0x80010000, "bus 1"
        pci_select 0
        end
