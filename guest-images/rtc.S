/*
 * Shows the interrupts of the real-time clock (MC146818) on IRQ 8: 16 periodic ones at 256 Hz, then the end of an
 * update, at which an alarm goes off that any second matches. Each is acknowledged by reading register C, which says what it was.
 */
#include "protected.inc"
#include "interrupts.inc"
#define RTC_INDEX       0x70
#define RTC_DATA        0x71
#define RTC_A           0x0a
#define RTC_B           0x0b
#define RTC_C           0x0c
#define RTC_256_HZ      0x28            /* register A: 32.768 kHz, 256 Hz */
#define RTC_PIE         0x40            /* register B: interrupt enables, 24 hours */
#define RTC_AIE         0x20
#define RTC_UIE         0x10
#define RTC_24          0x02
#define DONT_CARE       0xff

        .macro  rtc_write register:req, value:req
        mov     $\register, %al
        out     %al, $RTC_INDEX
        mov     $\value, %al
        out     %al, $RTC_DATA
        .endm

        .macro  rtc_clear
        mov     $RTC_C, %al
        out     %al, $RTC_INDEX
        in      $RTC_DATA, %al
        .endm

main:
        call    setup_interrupts
        handle_irq 8, request
        rtc_write RTC_A, RTC_256_HZ
        rtc_write 1, DONT_CARE
        rtc_write 3, DONT_CARE
        rtc_write 5, DONT_CARE
        rtc_clear

        rtc_write RTC_B, RTC_PIE | RTC_24
        wait_until periodic, 16
        rtc_write RTC_B, RTC_24
        print   "16 periodic interrupts\n"
        rtc_clear
        rtc_write RTC_B, RTC_UIE | RTC_AIE | RTC_24
        wait_until updates, 1
        print   "an update ended\n"
        wait_until alarms, 1
        print   "alarm\n"
        rtc_write RTC_B, RTC_24
        finish  0

/* Counts by what is both flagged and enabled, so that another flag beside it is no matter. */
request:
        push    %eax
        push    %ebx
        rtc_clear
        mov     %al, %bl
        mov     $RTC_B, %al
        out     %al, $RTC_INDEX
        in      $RTC_DATA, %al
        and     %bl, %al
        test    $RTC_PIE, %al
        jz      1f
        incl    periodic
1:      test    $RTC_UIE, %al
        jz      1f
        incl    updates
1:      test    $RTC_AIE, %al
        jz      1f
        incl    alarms
1:      end_of_interrupt 8
        pop     %ebx
        pop     %eax
        iret

        .balign 4
periodic: .long 0
updates: .long  0
alarms: .long   0
