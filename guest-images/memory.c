/*
 * Shows what a guest sees of its memory slots. The host leaves a command in a mailbox at 4 MiB; the guest carries it out
 * and prints a character. `hammer` reads, round after round, a word of each window that the host names, and compares it
 * with what the host says is there, until the next command; it writes to each window too.
 * The first 20 GiB are mapped to themselves. Every wait makes exits, so that a host of one CPU gets its turn.
 */
#include "lib/console.h"
#include "lib/cpu.h"

#define COM1_LSR        0x3fd
#define MAILBOX         0x400000
#define GIBIBYTES       20
#define MAPPED_ALREADY  4
#define ENTRIES         512             /* of a page table */
#define PTE_TABLE       3               /* present, writable */
#define PTE_PAGE_2M     0x83            /* the same, a page of 2 MiB */
#define PAGE_2M         0x200000ul
#define WINDOWS         64

enum command { NONE, READ, WRITE, TOUCH, HAMMER, FINISH };

/* As tests/machine/memory-guest.ts has it. */
struct mailbox {
  uint32_t command;
  uint32_t generation;                  /* odd or even: the host changes it with the windows */
  uint64_t address;
  uint64_t value;                       /* to write; what was read */
  uint64_t count;                       /* TOUCH: bytes to write, */
  uint64_t stride;                      /* so far apart */
  uint32_t rounds;
  uint32_t mismatches;
  uint64_t bad_address;                 /* of the first mismatch */
  uint32_t bad_value;
  uint32_t windows;
  struct {
    uint64_t address;
    uint32_t expected;
    uint32_t reserved;
  } window[WINDOWS];
};

static volatile struct mailbox *const mailbox = (volatile struct mailbox *)MAILBOX;
extern uint64_t pdpt[];
static uint64_t page_directories[GIBIBYTES - MAPPED_ALREADY][ENTRIES] __attribute__((aligned(4096)));

static void map_rest(void) {
  for (uint64_t i = 0; i < GIBIBYTES - MAPPED_ALREADY; i++) {
    for (uint64_t j = 0; j < ENTRIES; j++) {
      page_directories[i][j] = ((MAPPED_ALREADY + i) * ENTRIES + j) * PAGE_2M | PTE_PAGE_2M;
    }
    pdpt[MAPPED_ALREADY + i] = (uint64_t)page_directories[i] | PTE_TABLE;
  }
}

static void look_at(uint32_t i) {
  const uint32_t generation = mailbox->generation;
  const uint64_t address = mailbox->window[i].address;
  const uint32_t value = *(volatile uint32_t *)address;
  const uint32_t expected = mailbox->window[i].expected;
  if (value != expected && mailbox->generation == generation) {
    if (mailbox->mismatches++ == 0) {
      mailbox->bad_address = address;
      mailbox->bad_value = value;
    }
  }
  *(volatile uint32_t *)(address + 8) = mailbox->rounds;
}

static void hammer(void) {
  while (mailbox->command == HAMMER) {
    for (uint32_t i = 0; i < mailbox->windows; i++) look_at(i);
    mailbox->rounds++;
    in8(COM1_LSR);
  }
}

static void carry_out(uint32_t command) {
  volatile uint64_t *address = (volatile uint64_t *)mailbox->address;
  if (command == READ) mailbox->value = *address;
  if (command == WRITE) *address = mailbox->value;
  if (command == TOUCH) {
    for (uint64_t i = 0; i < mailbox->count; i++) {
      *(volatile uint8_t *)(mailbox->address + i * mailbox->stride) = (uint8_t)mailbox->value;
    }
  }
}

void main(void);
void main(void) {
  map_rest();
  put_char('.');
  for (;;) {
    const uint32_t command = mailbox->command;
    if (command == NONE) {
      in8(COM1_LSR);
      continue;
    }
    if (command == FINISH) finish(0);
    if (command == HAMMER) {
      put_char('.');
      hammer();
      continue;
    }
    carry_out(command);
    mailbox->command = NONE;
    put_char('.');
  }
}
