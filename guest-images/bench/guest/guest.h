/* The parts of the guest, each in a file with its name. */
#pragma once
#include "bench/platform.h"
#include <stddef.h>

/* memory.c */
void setup_memory(void);
/* The page tables that are in use, as CR3 has them, and a copy that maps the same. */
uintptr_t first_tables(void);
uintptr_t second_tables(void);
/* Shows so many pages of 4 KiB at a multiple of 4 MiB, by page tables that lie one after another. */
void map_window(uintptr_t window, void *tables, uint32_t pages);
/* A page table's entry that shows the frame. */
uintptr_t open_entry(uintptr_t frame);

/* main.c: ends the workload that runs, which cannot go on. */
_Noreturn void refuse(const char *why);

/* tasks.c, entry64.S, entry32.S */
void setup_tasks(void);

/* processor.c */
void setup_sse(void);
/* Of the processor: `GenuineIntel`. 12 letters and a zero. */
void read_vendor(char vendor[13]);
bool has_local_apic(void);
/* Whether KVM's hypercalls can be made, and by which instruction. */
enum hypercalls { NO_HYPERCALLS, VMCALL, VMMCALL };
enum hypercalls hypercalls(void);

/* exits.c, halt.c, serial.c, second-level.c: workloads. */
const char *prepare_out(void);
uint32_t run_out(uint32_t count);
const char *prepare_in(void);
uint32_t run_in(uint32_t count);
uint32_t run_string_out(uint32_t count);
uint32_t run_mmio_read(uint32_t count);
uint32_t run_mmio_write(uint32_t count);
uint32_t run_cpuid(uint32_t count);
const char *prepare_hypercall(void);
uint32_t run_hypercall(uint32_t count);
const char *prepare_in_kernel(void);
uint32_t run_in_kernel(uint32_t count);
uint32_t run_coalesced(uint32_t count);
uint32_t run_ioeventfd(uint32_t count);
const char *prepare_halt(void);
uint32_t run_halt(uint32_t count);
void setup_serial(void);
uint32_t run_serial(uint32_t count);
const char *prepare_first_touch(void);
uint32_t run_first_touch(uint32_t count);
const char *prepare_re_touch(void);
uint32_t run_re_touch(uint32_t count);
const char *prepare_stride(void);
uint32_t run_stride(uint32_t count);
const char *prepare_churn(void);
uint32_t run_churn(uint32_t count);
