/*
 * The benchmark's workloads and what runs them. Each is a loop whose checksum depends on every one of its iterations;
 * src/bench/workloads.ts has the same definitions once more, from which it tells what the checksum of a count must be.
 */
#pragma once
#include <stdint.h>

struct workload {
  const char *name;
  /* Makes ready what the loop needs, outside of its time. Returns why the loop cannot run here; NULL where it can. */
  const char *(*prepare)(void);
  /* Returns the checksum. */
  uint32_t (*run)(uint32_t count);
};

/* Of this program: those that it can run where it is. The last one has no name. */
extern const struct workload workloads[];

/* A checksum takes values in this way, modulo 2^32, from FIRST on: a value that is missing or wrong changes it. */
#define FIRST 1u
static inline uint32_t mix(uint32_t checksum, uint32_t value) { return checksum * 31 + value; }

/* Pseudo-random numbers, the better ones in the upper bits (Numerical Recipes, 2nd edition, 7.1). */
static inline uint32_t next_random(uint32_t x) { return x * 1664525 + 1013904223; }

/*
 * The page after this one, in an order that visits each of `pages`, a power of two, before one comes again: a linear
 * congruential sequence of full period (Knuth, The Art of Computer Programming 2, 3.2.1.2, theorem A).
 */
static inline uint32_t next_in_order(uint32_t page, uint32_t pages) { return (page * 1229u + 677u) % pages; }

/* For all that a compiler must not think away: it takes the variable for used and changed. */
#define KEEP(variable) asm volatile("" : "+r"(variable))

/* Runs what the words ask for, `NAME=COUNT` each, and prints a line for each; see run.c. `where`: what runs it. */
void run_workloads(const char *words, const char *where);

/* What differs between the guest and a program under Linux: guest/run-one.c and native/native.c. */

/* Runs one, and gives its checksum. Returns why it failed; NULL where it did not. */
const char *run_one(const struct workload *workload, uint32_t count, uint32_t *checksum);
/* Waits until all that was printed is on its way. */
void flush_output(void);
