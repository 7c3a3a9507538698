/* The processor's workloads, for a table. `needs_sse2` is a prepare of where they run. */
#pragma once
#include "bench/cpu/cpu.h"

#define CPU_WORKLOADS                                                                                                  \
  {"cpu.integer", 0, run_integer}, {"cpu.branchy", 0, run_branchy},                                                    \
      {"cpu.floating-point", needs_sse2, run_floating_point}, {"cpu.sse", needs_sse2, run_sse},                        \
      {"cpu.memory-stream", prepare_memory_stream, run_memory_stream},                                                 \
      {"cpu.pointer-chase", prepare_pointer_chase, run_pointer_chase},                                                 \
      {"cpu.self-modifying", prepare_self_modifying, run_self_modifying},                                              \
      {"cpu.page-faults", prepare_faults, run_page_faults}, {"cpu.tlb-misses", prepare_tlb_misses, run_tlb_misses},    \
      {"cpu.system-calls", 0, make_system_calls}, {                                                                    \
    "cpu.context-switches", 0, pass_to_and_fro                                                                         \
  }

static inline const char *needs_sse2(void) { return has_sse2() ? 0 : "the processor has no SSE2"; }
