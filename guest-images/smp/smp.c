/*
 * Shows several CPUs: finds them in ACPI's MADT, starts the others by INIT and startup interrupts, lets all count to
 * one number under a spin lock, and sends each an interprocessor interrupt, which it answers with another. Prints what
 * came of it and ends with 0, or with 1 where a number is not what it must be. With one CPU it says so, and ends.
 */
#include "smp/smp.h"
#include "lib/console.h"
#include "lib/cpu.h"
#include "lib/interrupts.h"
#include "lib/local-apic.h"
#include "lib/pic.h"
#include "lib/start-info.h"
#include "lib/wait.h"
#include "smp/madt.h"

#define ROUNDS 1000 /* that each CPU counts */
#define VECTOR_QUESTION 0x50
#define VECTOR_ANSWER 0x51
#define INIT_TO_STARTUP_MS 10 /* MultiProcessor Specification 1.4, B.4 */
#define PATIENCE_MS 10000

extern const uint8_t trampoline[], trampoline_end[];
void other_cpu(void);

static uint8_t ids[MAX_CPUS];
static uint8_t first_cpu;
static volatile unsigned arrived, finished;
static bool lock;
static volatile unsigned total;
static volatile unsigned questions, answers;

/* Looks until the lock may be free, and only then tries to take it: looking leaves the cache line with its owner. */
static void take_lock(void) {
  while (__atomic_exchange_n(&lock, true, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(&lock, __ATOMIC_RELAXED)) cpu_relax();
  }
}

static void release_lock(void) { __atomic_store_n(&lock, false, __ATOMIC_RELEASE); }

static void add_one(volatile unsigned *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_ACQ_REL); }

/* Without the lock, two CPUs would read the same number here, and one would be lost. */
static void count(void) {
  for (unsigned i = 0; i < ROUNDS; i++) {
    take_lock();
    total = total + 1;
    release_lock();
  }
}

static INTERRUPT on_question(struct frame *frame) {
  (void)frame;
  add_one(&questions);
  apic_end_of_interrupt();
  send_interrupt(first_cpu, VECTOR_ANSWER);
}

/* An answer that comes while another is still to be taken is merged with it: each CPU is asked alone. */
static INTERRUPT on_answer(struct frame *frame) {
  (void)frame;
  add_one(&answers);
  apic_end_of_interrupt();
}

/* Where the trampoline goes on, on every CPU but the first. */
void other_cpu(void) {
  load_interrupts();
  enable_local_apic();
  add_one(&arrived);
  count();
  add_one(&finished);
  for (;;) wait_for_interrupt();
}

static void wait_until(volatile unsigned *counter, unsigned value) {
  while (*counter < value) cpu_relax();
}

static void copy_trampoline(void) {
  for (const uint8_t *from = trampoline; from < trampoline_end; from++) {
    *(volatile uint8_t *)(TRAMPOLINE + (from - trampoline)) = *from;
  }
}

/* Starts all others, and returns how many have come. */
static unsigned start_others(unsigned cpus) {
  copy_trampoline();
  for (unsigned i = 0; i < cpus; i++)
    if (ids[i] != first_cpu) send_init(ids[i]);
  wait_ms(INIT_TO_STARTUP_MS);
  for (unsigned i = 0; i < cpus; i++)
    if (ids[i] != first_cpu) send_startup(ids[i], TRAMPOLINE);
  for (unsigned ms = 0; arrived < cpus - 1 && ms < PATIENCE_MS; ms++) wait_ms(1);
  return arrived;
}

static void ask_others(unsigned cpus) {
  for (unsigned i = 0; i < cpus; i++) {
    if (ids[i] == first_cpu) continue;
    const unsigned before = answers;
    send_interrupt(ids[i], VECTOR_QUESTION);
    while (answers == before) wait_for_interrupt();
  }
}

static void put_line(uint64_t number, const char *what) {
  put_decimal(number);
  put_text(what);
}

void main(const struct start_info *info) {
  setup_interrupts();
  handle_vector(VECTOR_QUESTION, (uintptr_t)on_question);
  handle_vector(VECTOR_ANSWER, (uintptr_t)on_answer);
  setup_pics();
  enable_local_apic();
  first_cpu = apic_id();
  const unsigned cpus = find_cpus(info->rsdp_paddr, ids, MAX_CPUS);
  if (cpus <= 1) {
    put_text("1 CPU: there is none to start\n");
    finish(0);
  }
  put_line(cpus, " CPUs\n");
  const unsigned others = start_others(cpus);
  put_line(others, " started by the first\n");
  if (others != cpus - 1) finish(1);
  count();
  wait_until(&finished, others);
  put_line(total, " counted under one lock\n");
  ask_others(cpus);
  put_line(questions, " interprocessor interrupts taken, ");
  put_line(answers, " answered\n");
  finish(total == cpus * ROUNDS && questions == others && answers == others ? 0 : 1);
}
