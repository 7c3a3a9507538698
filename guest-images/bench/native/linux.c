/* What the workloads need (bench/platform.h), from Linux. */
#define _GNU_SOURCE
#include "bench/native/linux.h"
#include "bench/bench.h"
#include "bench/platform.h"
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const char *failure;

#define ACCESS (PROT_READ | PROT_WRITE)

uint8_t *arena(void) {
  static uint8_t *memory;
  if (memory != NULL) return memory;
  memory = mmap(NULL, ARENA_BYTES, ACCESS | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  return memory;
}

bool has_sse2(void) { return true; } /* as every 64-bit processor */

uint8_t *tlb_window(void) {
  const size_t frames = TLB_FRAMES * PAGE_BYTES, size = TLB_PAGES * PAGE_BYTES;
  const int fd = memfd_create("bench", 0);
  if (fd < 0 || ftruncate(fd, (off_t)frames) != 0) return NULL;
  uint8_t *window = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (window == MAP_FAILED) return NULL;
  for (size_t at = 0; at < size; at += frames) {
    if (mmap(window + at, frames, ACCESS, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) return NULL;
  }
  close(fd);
  return window;
}

/* So many pages are given back at once, that the call for it weighs little. */
#define FAULT_PAGES 1024u
static uint8_t *pages;

const char *prepare_faults(void) {
  const size_t size = FAULT_PAGES * PAGE_BYTES;
  if (pages == NULL) pages = mmap(NULL, size, ACCESS, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || madvise(pages, size, MADV_NOHUGEPAGE) != 0) return "no memory of small pages";
  madvise(pages, size, MADV_DONTNEED);
  return NULL;
}

volatile uint32_t *fresh_page(uint32_t i) {
  if (i % FAULT_PAGES == 0 && i != 0) madvise(pages, FAULT_PAGES * PAGE_BYTES, MADV_DONTNEED);
  return (volatile uint32_t *)(pages + i % FAULT_PAGES * PAGE_BYTES);
}

/* getppid() does nothing but cross to the kernel and back. */
uint32_t make_system_calls(uint32_t count) {
  const long parent = syscall(SYS_getppid);
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) sum = mix(sum, syscall(SYS_getppid) == parent);
  return sum;
}

static bool send(int fd, uint32_t sum) { return write(fd, &sum, sizeof sum) == sizeof sum; }

static bool receive(int fd, uint32_t *sum) { return read(fd, sum, sizeof *sum) == sizeof *sum; }

/* As the second program in guest/tasks.c, but the first takes the last number from it too. */
static void pass_odd(int in, int out, uint32_t count) {
  uint32_t sum;
  for (uint32_t i = 0; i < count && receive(in, &sum); i += 2) {
    if (!send(out, mix(sum, i))) return;
  }
}

static uint32_t pass_even(int in, int out, uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    if (i % 2 == 1) sum = mix(sum, i);
    else if (!send(out, sum) || !receive(in, &sum)) {
      failure = "the pipes between two processes broke";
      return 0;
    }
  }
  return sum;
}

/* Both on one processor: else nothing would switch. */
static void stay_here(void) {
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(sched_getcpu(), &here);
  sched_setaffinity(0, sizeof here, &here);
}

uint32_t pass_to_and_fro(uint32_t count) {
  int there[2], back[2];
  cpu_set_t before;
  sched_getaffinity(0, sizeof before, &before);
  if (pipe(there) != 0 || pipe(back) != 0) {
    failure = "no pipe between two processes";
    return 0;
  }
  stay_here();
  const pid_t other = fork();
  if (other == 0) {
    close(there[1]); /* else it would wait for itself where the first process dies */
    close(back[0]);
    pass_odd(there[0], back[1], count);
    _exit(0);
  }
  close(there[0]);
  close(back[1]);
  uint32_t sum = 0;
  if (other < 0) failure = "no second process";
  else sum = pass_even(back[0], there[1], count);
  close(there[1]);
  close(back[0]);
  if (other > 0) waitpid(other, NULL, 0);
  sched_setaffinity(0, sizeof before, &before);
  return sum;
}
