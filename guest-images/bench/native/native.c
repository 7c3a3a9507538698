/*
 * The processor's workloads as a program for Linux: the same loops, in the same machine code, as in the guest. Its
 * arguments are the words of the guest's command line, and it prints the same lines.
 */
#include "bench/bench.h"
#include "bench/cpu/table.h"
#include "bench/native/linux.h"
#include "lib/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct workload workloads[] = {CPU_WORKLOADS, {0}};

void put_char(char c) { putchar(c); }

void flush_output(void) { fflush(stdout); }

const char *run_one(const struct workload *workload, uint32_t count, uint32_t *checksum) {
  failure = NULL;
  *checksum = workload->run(count);
  return failure;
}

int main(int argc, char **argv) {
  size_t length = 1;
  for (int i = 1; i < argc; i++) length += strlen(argv[i]) + 1;
  char *words = calloc(1, length);
  if (words == NULL) return 1;
  for (int i = 1; i < argc; i++) strcat(strcat(words, argv[i]), " ");
  run_workloads(words, "native");
  free(words);
  return 0;
}
