/*
 * The door to the kernel: SYSCALL saves rip in rcx and rflags in r11, and goes on in ring 0 at the address that the
 * kernel has put into MSR LSTAR. There is no VM exit on this way: the hypervisor does not see it. UD2 gets there by an
 * exception, for a KVM on which SYSCALL stays in ring 3 (kvm_pvm).
 */
#include "printf/program/libc.h"
#include <stdbool.h>
#include <stdint.h>
#include "printf/stamps.h"
#include "printf/system-calls.h"

static bool by_trap;

void system_calls_by_trap(void) { by_trap = true; }

static long system_call(long number, long first, long second, long third) {
  long result;
  stamp(STEP_SYSCALL, (uint64_t)number);
#define SYSTEM_CALL(instruction)                                      \
  asm volatile(instruction                                            \
               : "=a"(result), "+D"(first), "+S"(second), "+d"(third) \
               : "a"(number)                                          \
               : "rcx", "r8", "r9", "r10", "r11", "memory")
  if (by_trap)
    SYSTEM_CALL("ud2");
  else
    SYSTEM_CALL("syscall");
  stamp(STEP_SYSCALL_RETURNED, (uint64_t)result);
  return result;
}

long write(int fd, const void *bytes, size_t count) {
  return system_call(SYS_WRITE, fd, (long)bytes, (long)count);
}

/* What is still in the buffer must not be lost. */
_Noreturn void exit(int status) {
  fflush(stdout);
  system_call(SYS_EXIT, status, 0, 0);
  __builtin_unreachable();
}
