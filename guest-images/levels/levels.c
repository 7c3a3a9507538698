/*
 * The small program that `vmlaunch bench levels` runs at each level of virtualization; Levels.java is the same in Java.
 * levels DIRECTORY: a directory of a tmpfs, where it writes its file. It is asked by lines of its standard input,
 *   PART COUNT
 * so that a guest need start but once, and answers on its standard output; numbers are decimal, checksums eight
 * hexadecimal digits:
 *   levels 1                  once, when it can be asked
 *   begin PART COUNT          the part begins
 *   PART COUNT CHECKSUM NS AT it has ended: what it took, and when that was, in nanoseconds by CLOCK_MONOTONIC
 *   PART failed WHY           in place of the latter
 *   end                       at the end of its input
 */
#include "bench/bench.h"
#include "bench/cpu/cpu.h"
#include "bench/native/linux.h"
#include "levels/file.h"
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct part {
  const char *name;
  /* Returns the checksum, and sets `failure` where there is none. */
  uint32_t (*run)(uint32_t count);
  /* What of it is not to be timed. */
  uint32_t (*finish)(uint32_t count);
};

static const struct part parts[] = {
    {"cpu", run_integer, NULL},
    {"calls", make_system_calls, NULL},
    {"files", write_blocks, read_blocks},
};
#define PARTS (sizeof parts / sizeof *parts)

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void measure(const struct part *part, uint32_t count) {
  failure = NULL;
  printf("begin %s %u\n", part->name, count);
  fflush(stdout);
  const uint64_t start = now_ns();
  uint32_t checksum = part->run(count);
  const uint64_t end = now_ns();
  if (failure == NULL && part->finish != NULL) checksum = part->finish(count);
  if (failure == NULL) printf("%s %u %08x %lu %lu\n", part->name, count, checksum, end - start, end);
  else printf("%s failed %s\n", part->name, failure);
}

static void answer(const char *line) {
  char name[16];
  unsigned count;
  if (sscanf(line, "%15s %u", name, &count) != 2 || count == 0) return;
  for (size_t i = 0; i < PARTS; i++)
    if (strcmp(parts[i].name, name) == 0) measure(&parts[i], count);
  fflush(stdout);
}

/* A guest's console would send back what it is sent. */
static void be_quiet(void) {
  struct termios mode;
  if (tcgetattr(STDIN_FILENO, &mode) != 0) return;
  mode.c_lflag &= ~(tcflag_t)ECHO;
  tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "levels: where is it to write?\n");
    return 2;
  }
  be_quiet();
  place_file_in(argv[1]);
  puts("levels 1");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) answer(line);
  puts("end");
  return 0;
}
