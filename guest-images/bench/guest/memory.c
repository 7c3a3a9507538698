/*
 * Memory and its page tables. All of it is mapped to itself, and open to ring 3: the programs here are for measuring,
 * not for protecting. Two windows of 4 KiB pages lie at 1 GiB: for misses of the TLB, and for page faults behind it.
 */
#include "bench/guest/guest.h"
#include "lib/interrupts.h"

#define PTE_PRESENT 1u
#define PTE_WRITABLE 2u
#define PTE_USER 4u
#define OPEN (PTE_PRESENT | PTE_WRITABLE | PTE_USER)
#define PAGE_FAULT 14

#define ARENA 0x400000u /* behind the guest, which bench.ld keeps below */
#define FRAMES (ARENA + ARENA_BYTES)
#define WINDOW ((uintptr_t)0x40000000)
#define FAULTS (WINDOW + TLB_PAGES * PAGE_BYTES)
#define FAULT_PAGES 64u

/* An entry of a page table, which has as many as fit a page. */
typedef uintptr_t entry;
#define ENTRIES (PAGE_BYTES / sizeof(entry))
#define TABLES (TLB_PAGES / ENTRIES + 1)
#define PAGE_TABLE __attribute__((aligned(PAGE_BYTES)))

static entry window_tables[TABLES * ENTRIES] PAGE_TABLE;
static entry *const fault_table = window_tables + TLB_PAGES;
static entry second_root[ENTRIES] PAGE_TABLE;

#ifdef __x86_64__
extern entry pml4[ENTRIES], pdpt[ENTRIES], page_directories[]; /* long.inc: pages of 2 MiB */
static entry *const first_root = pml4, *const directory = page_directories;
#define LARGE_PAGE 0x200000u
#define DIRECTORY_ENTRIES (4 * ENTRIES)

static void map_all(void) {
  pml4[0] |= PTE_USER;
  pdpt[0] |= PTE_USER;
  pdpt[WINDOW >> 30] |= PTE_USER;
  for (unsigned i = 0; i < ENTRIES; i++) page_directories[i] |= PTE_USER;
}

static void turn_on(void) {}
#else
#define CR0_PG (1ul << 31)
#define CR4_PSE (1ul << 4)
#define PTE_LARGE (1u << 7)
#define LARGE_PAGE 0x400000u
static entry first_root[ENTRIES] PAGE_TABLE;
static entry *const directory = first_root;

static void map_all(void) {
  for (unsigned i = 0; i < ENTRIES; i++) first_root[i] = i * LARGE_PAGE | OPEN | PTE_LARGE;
}

static void turn_on(void) {
  uintptr_t cr0, cr4;
  asm volatile("mov %%cr4, %0" : "=r"(cr4));
  asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_PSE));
  asm volatile("mov %0, %%cr3" : : "r"(first_root));
  asm volatile("mov %%cr0, %0" : "=r"(cr0));
  asm volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_PG) : "memory");
}
#endif

void setup_memory(void) {
  map_all();
  for (unsigned i = 0; i < TLB_PAGES; i++) window_tables[i] = (FRAMES + i % TLB_FRAMES * PAGE_BYTES) | OPEN;
  for (unsigned i = 0; i < TABLES; i++) {
    directory[WINDOW / LARGE_PAGE + i] = (entry)(window_tables + i * ENTRIES) | OPEN;
  }
  for (unsigned i = 0; i < ENTRIES; i++) second_root[i] = first_root[i];
  turn_on();
  asm volatile("mov %0, %%cr3" : : "r"(first_root) : "memory"); /* forget the old translations */
}

uintptr_t first_tables(void) { return (uintptr_t)first_root; }
uintptr_t second_tables(void) { return (uintptr_t)second_root; }

void map_window(uintptr_t window, void *tables, uint32_t pages) {
  for (unsigned i = 0; i * ENTRIES < pages; i++) {
    directory[window / LARGE_PAGE + i] = (entry)((entry *)tables + i * ENTRIES) | OPEN;
  }
  asm volatile("mov %0, %%cr3" : : "r"(first_root) : "memory");
}

uintptr_t open_entry(uintptr_t frame) { return frame | OPEN; }

uint8_t *arena(void) { return (uint8_t *)ARENA; }
uint8_t *tlb_window(void) { return (uint8_t *)WINDOW; }

/* Maps the page that was touched, and makes its first word 0. Another page fault is a fault of the guest. */
static INTERRUPT on_page_fault(struct frame *frame, uintptr_t code) {
  uintptr_t address;
  (void)frame;
  asm volatile("mov %%cr2, %0" : "=r"(address));
  const uintptr_t page = (address - FAULTS) / PAGE_BYTES;
  if (page >= FAULT_PAGES || (code & PTE_PRESENT) != 0) asm volatile("ud2");
  const uintptr_t frame_address = FRAMES + page * PAGE_BYTES;
  *(uint32_t *)frame_address = 0;
  fault_table[page] = frame_address | OPEN;
}

const char *prepare_faults(void) {
  handle_vector(PAGE_FAULT, (uintptr_t)on_page_fault);
  return NULL;
}

volatile uint32_t *fresh_page(uint32_t i) {
  volatile uint32_t *const page = (volatile uint32_t *)(FAULTS + i % FAULT_PAGES * PAGE_BYTES);
  fault_table[i % FAULT_PAGES] = 0;
  asm volatile("invlpg %0" : : "m"(*page) : "memory");
  return page;
}
