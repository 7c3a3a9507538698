/* The processor's workloads, each in a file with its name. They are compiled once, for the guest and for Linux alike. */
#pragma once
#include "bench/bench.h"
#include "bench/platform.h"

uint32_t run_integer(uint32_t count);
uint32_t run_branchy(uint32_t count);
uint32_t run_floating_point(uint32_t count);
uint32_t run_sse(uint32_t count);
const char *prepare_memory_stream(void);
uint32_t run_memory_stream(uint32_t count);
const char *prepare_pointer_chase(void);
uint32_t run_pointer_chase(uint32_t count);
const char *prepare_self_modifying(void);
uint32_t run_self_modifying(uint32_t count);
const char *prepare_tlb_misses(void);
uint32_t run_tlb_misses(uint32_t count);
uint32_t run_page_faults(uint32_t count);
