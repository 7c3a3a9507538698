/* System calls: where SYSCALL leads (SDM 3A, 5.8.8), and what each does. An address from the program is not trusted. */
#include "lib/console.h"
#include "lib/cpu.h"
#include "lib/interrupts.h"
#include "printf/kernel/kernel.h"
#include "printf/stamps.h"
#include "printf/system-calls.h"

#define MSR_EFER 0xc0000080
#define EFER_SCE (1 << 0)
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define KERNEL_CODE 0x08ull
#define PROGRAM_BASE 0x10ull /* SYSRET adds 8 and 16 */
/* Flags that SYSCALL clears: trap, interrupt, direction, alignment check. */
#define FLAGS_CLEARED (1 << 8 | 1 << 9 | 1 << 10 | 1 << 18)

#define STDOUT 1

extern const char system_call_entry[], system_call_trap[];

void setup_system_calls(bool by_trap) {
  write_msr(MSR_STAR, PROGRAM_BASE << 48 | KERNEL_CODE << 32);
  write_msr(MSR_LSTAR, (uint64_t)system_call_entry);
  write_msr(MSR_FMASK, FLAGS_CLEARED);
  write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE);
  if (by_trap) handle_vector(INVALID_OPCODE, (uintptr_t)system_call_trap);
}

/* Compares sizes, not sums: a sum of the program's numbers could wrap. */
static bool is_programs(uint64_t address, uint64_t count) {
  const uint64_t start = (uint64_t)program_code, end = (uint64_t)program_end;
  return address >= start && address <= end && count <= end - address;
}

static int64_t write(uint64_t fd, uint64_t address, uint64_t count) {
  if (fd != STDOUT) return -EBADF;
  if (!is_programs(address, count)) return -EFAULT;
  uart_write((const char *)address, count);
  return (int64_t)count;
}

/* Called by entry.S. */
int64_t system_call(uint64_t first, uint64_t second, uint64_t third, uint64_t number) {
  int64_t result = -ENOSYS;
  stamp(STEP_KERNEL_ENTERED, number);
  if (number == SYS_WRITE) result = write(first, second, third);
  if (number == SYS_EXIT) finish((uint8_t)first);
  stamp(STEP_KERNEL_LEFT, (uint64_t)result);
  return result;
}
