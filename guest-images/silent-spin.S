/* Shows the guest that says nothing and uses its CPU for ever: all that a monitor can tell is where it is. */
#include "protected.inc"
main:
#include "spin.inc"
