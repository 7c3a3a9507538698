/*
 * Shows a power-off by ACPI: SLP_EN with the sleep type of S5 goes to PM1a_CNT at 0x604 (ACPI 6.4, 4.8.3.2.1). A
 * system would read the type from \_S5; it is 5 in this monitor's tables and 0 in QEMU's, so 0 is tried second.
 */
#include "protected.inc"
#define PM1A_CNT        0x604
#define SLP_EN          (1 << 13)
#define SLP_TYP(type)   ((type) << 10)
main:
        print   "power off\n"
        mov     $PM1A_CNT, %dx
        mov     $SLP_EN | SLP_TYP(5), %ax
        out     %ax, %dx
        mov     $SLP_EN | SLP_TYP(0), %ax
        out     %ax, %dx
1:      hlt
        jmp     1b
