/* Reads and writes memory from start to end and again, 4 MiB in all; an iteration is a page of 1024 words. */
#include "bench/cpu/cpu.h"

#define WORDS (PAGE_BYTES / 4)
#define PAGES (ARENA_BYTES / PAGE_BYTES)

const char *prepare_memory_stream(void) {
  void *to = arena();
  uintptr_t words = ARENA_BYTES / 4;
  asm volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(0) : "memory");
  return 0;
}

uint32_t run_memory_stream(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t *page = (uint32_t *)arena() + i % PAGES * WORDS;
    for (uint32_t word = 0; word < WORDS; word++) {
      sum += page[word] ^ (i + word);
      page[word] = sum;
    }
  }
  return sum;
}
