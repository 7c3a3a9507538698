/* What the C and the assembly of `smp` share. */
#define TRAMPOLINE      0x8000
#define MAX_CPUS        255             /* xAPIC ids 0 to 254 */
#define STACK_BYTES     4096
