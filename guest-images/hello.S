/* The smallest whole run: prints a line on COM1 and ends through isa-debug-exit with 0, so with status 1. */
#include "protected.inc"
main:
        print   "hello from protected mode\n"
        finish  0
