/* COM1, polled; and the end of the machine. */
#pragma once
#include "text.h"

/* Ends the machine through isa-debug-exit, whose status is ((value << 1) | 1) & 0xff. */
_Noreturn void finish(uint8_t value);
