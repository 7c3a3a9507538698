/* All that the guest can run. */
#include "bench/cpu/table.h"
#include "bench/guest/guest.h"

const struct workload workloads[] = {
    {"exits.out", prepare_out, run_out},
    {"exits.in", prepare_in, run_in},
    {"exits.string-out", prepare_out, run_string_out},
    {"exits.mmio-read", NULL, run_mmio_read},
    {"exits.mmio-write", NULL, run_mmio_write},
    {"exits.cpuid", NULL, run_cpuid},
    {"exits.halt", prepare_halt, run_halt},
    {"exits.hypercall", prepare_hypercall, run_hypercall},
    {"exits.in-kernel", prepare_in_kernel, run_in_kernel},
    {"exits.coalesced", NULL, run_coalesced},
    {"exits.ioeventfd", NULL, run_ioeventfd},
    CPU_WORKLOADS,
    {"serial.bytes", NULL, run_serial},
    {"memory.first-touch", prepare_first_touch, run_first_touch},
    {"memory.re-touch", prepare_re_touch, run_re_touch},
    {"memory.stride", prepare_stride, run_stride},
    {"memory.churn", prepare_churn, run_churn},
    {0},
};
