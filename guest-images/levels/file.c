#define _GNU_SOURCE
#include "levels/file.h"
#include "bench/bench.h"
#include "bench/native/linux.h"
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BLOCK_BYTES 4096u
#define BLOCK_WORDS (BLOCK_BYTES / sizeof(uint32_t))
#define FILE_BLOCKS 256u

static const char *place;
static uint32_t block[BLOCK_WORDS];

void place_file_in(const char *directory) { place = directory; }

/* A file without a name: nothing of it is left, however the program ends. */
static int open_file(void) {
  struct statfs system;
  if (statfs(place, &system) != 0 || system.f_type != TMPFS_MAGIC) failure = "the directory is on no tmpfs";
  else {
    const int fd = open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    failure = "no file can be made in the directory";
  }
  return -1;
}

static int file(void) {
  static int fd = -1;
  if (fd < 0) fd = open_file();
  return fd;
}

static off_t offset_of(uint32_t i) { return (off_t)(i % FILE_BLOCKS) * BLOCK_BYTES; }

uint32_t write_blocks(uint32_t count) {
  const int fd = file();
  if (fd < 0) return 0;
  for (uint32_t word = 0; word < BLOCK_WORDS; word++) block[word] = word;
  for (uint32_t i = 0; i < count; i++) {
    block[0] = i;
    if (pwrite(fd, block, BLOCK_BYTES, offset_of(i)) == BLOCK_BYTES) continue;
    failure = "a block was not written";
    return 0;
  }
  return 0;
}

uint32_t read_blocks(uint32_t count) {
  const uint32_t blocks = count < FILE_BLOCKS ? count : FILE_BLOCKS;
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < blocks; i++) {
    if (pread(file(), block, BLOCK_BYTES, offset_of(i)) != BLOCK_BYTES) failure = "a block was not read";
    for (uint32_t word = 0; word < BLOCK_WORDS; word++) sum = mix(sum, block[word]);
  }
  return sum;
}
