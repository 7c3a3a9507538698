/* Shows a guest that runs for ever without an exit: prints a line, then spins with interrupts on. */
#include "protected.inc"
main:
        print   "spinning\n"
#include "spin.inc"
