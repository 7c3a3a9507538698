/* Shows that a status is the guest's own: writes 0x15 to isa-debug-exit, so the status is 43, and prints nothing. */
#include "protected.inc"
main:
        finish  0x15
