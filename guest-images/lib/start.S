/* The start of a 64-bit guest in C: long mode by its own page tables, then `void main(const struct start_info *)`. */
#include "long.inc"
main64:
        call    main
1:      cli
        hlt
        jmp     1b
