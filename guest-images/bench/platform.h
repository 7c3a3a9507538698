/* What the processor's workloads need from where they run: the bare machine (guest/) or Linux (native/). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES 4096u

/* Memory to work in, whose code can be run. It holds whatever was there. */
#define ARENA_BYTES (4u << 20)
uint8_t *arena(void);

bool has_sse2(void);

/*
 * A window of virtual addresses, TLB_PAGES pages of 4 KiB over TLB_FRAMES frames of memory in turn. Returns NULL where
 * there is none.
 */
#define TLB_PAGES 4096u
#define TLB_FRAMES 64u
uint8_t *tlb_window(void);

/* The first word of a page that is not there yet: touching it faults, and then it reads 0. `i` counts the pages from 0. */
const char *prepare_faults(void);
volatile uint32_t *fresh_page(uint32_t i);

/* The same amount of system calls, made by a program in ring 3: the checksum mixes 1 for each answer that is right. */
uint32_t make_system_calls(uint32_t count);

/*
 * Two programs in address spaces of their own pass a number to and fro. Number i (from 0) is passed by a switch of
 * context; who gets it mixes i into it. Returns the last.
 */
uint32_t pass_to_and_fro(uint32_t count);
