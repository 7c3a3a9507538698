/* The CPUs that ACPI tells of. */
#pragma once
#include <stdint.h>

/* Fills `ids` with the local APIC ids of the enabled CPUs, at most `most`, and returns how many there are. */
unsigned find_cpus(uint64_t rsdp_address, uint8_t *ids, unsigned most);
