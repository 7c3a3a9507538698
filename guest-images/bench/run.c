/*
 * What comes out, by lines that end with \n; numbers are decimal and checksums eight hexadecimal digits:
 *   bench 1 WHERE bits=32|64     once, before all
 *   begin NAME COUNT             at its last byte the workload begins
 *   NAME COUNT CHECKSUM TICKS    the workload has ended before its first byte; ticks of the TSC
 *   NAME unsupported WHY         in place of that where it failed, or of both
 * Before the last byte of `begin` it has run half as often, or as often as NAME=COUNT/WARMUP asks: an emulator that
 * compiles what runs often has done so then, and what comes in that time is of no meaning. So that byte, as the next
 * line's first, comes after a silence, but where the workload prints: a console that collects its output where much
 * comes passes both on at once.
 *   end                          after all
 * So a host can take its own time by when these bytes come, beside the guest's ticks.
 */
#include "bench/bench.h"
#include "lib/cpu.h"
#include "lib/text.h"
#include <stdbool.h>
#include <stddef.h>

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Whether the word, which ends at '=', is the name. */
static bool is_name(const char *word, const char *name) {
  for (; *name != '\0'; name++, word++)
    if (*word != *name) return false;
  return *word == '=';
}

static const struct workload *find(const char *word) {
  for (const struct workload *one = workloads; one->name != NULL; one++)
    if (is_name(word, one->name)) return one;
  return NULL;
}

/* The number after a mark in the word; 0, which is no count, where there is none that fits 32 bits. */
static uint32_t number_after(const char *word, char mark) {
  uint32_t count = 0;
  while (*word != mark && *word != '\0' && !is_space(*word)) word++;
  if (*word++ != mark) return 0;
  for (; *word != '\0' && *word != '/' && !is_space(*word); word++) {
    const uint32_t digit = (uint32_t)(*word - '0');
    if (digit > 9 || count > (UINT32_MAX - digit) / 10) return 0;
    count = count * 10 + digit;
  }
  return count;
}

/* Up to '=': names that no workload has are the command line's, and are printed as they are there. */
static void put_name(const char *word) {
  for (; *word != '=' && *word != '\0' && !is_space(*word); word++) put_char(*word);
}

static void put_refusal(const char *word, const char *why) {
  put_name(word);
  put_text(" unsupported ");
  put_text(why);
  put_char('\n');
}

static void put_checksum(uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) put_char("0123456789abcdef"[value >> shift & 0xf]);
}

static void put_call(const char *word, uint32_t count) {
  put_name(word);
  put_char(' ');
  put_decimal(count);
}

/* Whether what it does is to print. */
static bool prints(const struct workload *workload) {
  const char *name = workload->name;
  for (const char *kind = "serial."; *kind != '\0'; kind++)
    if (*name++ != *kind) return false;
  return true;
}

static void put_begin(const char *word, uint32_t count) {
  put_text("begin ");
  put_call(word, count);
  flush_output();
}

/* Returns why it cannot run, or why it failed; NULL where it did not. */
static const char *prepare_and_warm(const struct workload *workload, uint32_t warm_up) {
  uint32_t checksum;
  const char *why = workload->prepare == NULL ? NULL : workload->prepare();
  if (why == NULL) why = run_one(workload, warm_up, &checksum);
  if (why == NULL && workload->prepare != NULL) why = workload->prepare();
  return why;
}

static void measure(const char *word, const struct workload *workload, uint32_t count) {
  uint32_t checksum = 0;
  if (!prints(workload)) put_begin(word, count);
  const uint32_t warm_up = number_after(word, '/');
  const char *why = prepare_and_warm(workload, warm_up == 0 ? count / 2 + 1 : warm_up);
  if (prints(workload)) put_begin(word, count);
  put_char('\n');
  if (why != NULL) {
    put_refusal(word, why);
    return;
  }
  flush_output();
  const uint64_t start = read_tsc();
  why = run_one(workload, count, &checksum);
  const uint64_t ticks = read_tsc() - start;
  if (why != NULL) {
    put_refusal(word, why);
    return;
  }
  put_call(word, count);
  put_char(' ');
  put_checksum(checksum);
  put_char(' ');
  put_decimal(ticks);
  put_char('\n');
}

static void take_word(const char *word) {
  const struct workload *workload = find(word);
  const uint32_t count = number_after(word, '=');
  if (workload == NULL) put_refusal(word, "there is no such workload");
  else if (count == 0) put_refusal(word, "its count is not from 1 to 4294967295");
  else measure(word, workload, count);
}

/* Words with '=' ask for a workload; `bits=32` is for image.S, and others are of no meaning. */
static bool asks(const char *word) {
  if (is_name(word, "bits")) return false;
  while (*word != '=' && *word != '\0' && !is_space(*word)) word++;
  return *word == '=';
}

void run_workloads(const char *words, const char *where) {
  put_text("bench 1 ");
  put_text(where);
  put_text(sizeof(void *) == 8 ? " bits=64\n" : " bits=32\n");
  while (*words != '\0') {
    while (is_space(*words)) words++;
    if (asks(words)) take_word(words);
    while (*words != '\0' && !is_space(*words)) words++;
  }
  put_text("end\n");
  flush_output();
}
