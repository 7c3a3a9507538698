/*
 * Programs in ring 3, and a kernel that does what they ask: give back the number and one, pass a number to the other
 * program, or end. Each has a stack of its own in the kernel, where its registers are while another runs, and page tables
 * of its own. In 64-bit mode they call by SYSCALL, in 32-bit mode by INT 0x80.
 */
#include "bench/guest/tasks.h"
#include "bench/bench.h"
#include "bench/guest/guest.h"
#include "lib/cpu.h"
#include "lib/interrupts.h"
#include "lib/segments.h"

#define STACK_BYTES 4096
struct task {
  uintptr_t stack; /* in the kernel, while it does not run */
  uintptr_t tables;
  uint32_t passed;
  uint8_t kernel_stack[STACK_BYTES] __attribute__((aligned(16)));
  uint8_t program_stack[STACK_BYTES] __attribute__((aligned(16)));
};

static struct task tasks[2];
static unsigned current;
static uintptr_t waiting_stack; /* of the kernel that started the programs */
static uint32_t result;

enum call { ADD_ONE, PASS, END };

#ifdef __x86_64__
#define SAVED_REGISTERS 6 /* by switch_stacks */
#define MSR_EFER 0xc0000080
#define EFER_SCE 1
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define PROGRAM_BASE 0x10ull /* SYSRET adds 8 and 16 */

void setup_tasks(void) {
  setup_segments();
  write_msr(MSR_STAR, PROGRAM_BASE << 48 | (uint64_t)KERNEL_CODE << 32);
  write_msr(MSR_LSTAR, (uintptr_t)system_call_entry);
  write_msr(MSR_FMASK, UINT32_MAX);
  write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE);
}

static uint32_t call_kernel(enum call number, uint32_t argument) {
  uintptr_t answer = number;
  asm volatile("syscall"
               : "+a"(answer), "+D"(argument)
               :
               : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory");
  return (uint32_t)answer;
}
#else
#define SAVED_REGISTERS 4
#define SYSTEM_CALL 0x80

/* An IRET to ring 3 takes data segments of ring 0 away; ring 0 can use those of ring 3. */
void setup_tasks(void) {
  setup_segments();
  asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(PROGRAM_DATA));
  handle_vector(SYSTEM_CALL, (uintptr_t)system_call_entry);
  open_vector(SYSTEM_CALL);
}

static uint32_t call_kernel(enum call number, uint32_t argument) {
  uint32_t answer = number;
  asm volatile("int $0x80" : "+a"(answer), "+d"(argument) : : "ecx", "memory");
  return answer;
}
#endif

static void switch_to(unsigned number, uintptr_t *from) {
  struct task *task = &tasks[number];
  current = number;
  task_state.kernel_stack = (uintptr_t)(task->kernel_stack + STACK_BYTES);
  asm volatile("mov %0, %%cr3" : : "r"(task->tables) : "memory");
  switch_stacks(from, task->stack);
}

/* Called by entry64.S and entry32.S. */
uint32_t system_call(uint32_t argument, uint32_t number) {
  struct task *task = &tasks[current];
  uintptr_t never;
  if (number == ADD_ONE) return argument + 1;
  if (number == PASS) {
    tasks[1 - current].passed = argument;
    switch_to(1 - current, &task->stack);
    return task->passed;
  }
  result = argument;
  asm volatile("mov %0, %%cr3" : : "r"(first_tables()) : "memory");
  switch_stacks(&never, waiting_stack);
  __builtin_unreachable();
}

/* Its stack in the kernel is as if it had called before: switch_stacks returns to enter_program, which takes the rest. */
static void make_task(unsigned number, void (*program)(uint32_t), uint32_t argument, uintptr_t tables) {
  struct task *task = &tasks[number];
  uintptr_t *top = (uintptr_t *)(task->kernel_stack + STACK_BYTES);
  *--top = (uintptr_t)(task->program_stack + STACK_BYTES - 16 - sizeof(uintptr_t)); /* as after a call */
  *--top = argument;
  *--top = (uintptr_t)program;
  *--top = (uintptr_t)enter_program;
  for (unsigned i = 0; i < SAVED_REGISTERS; i++) *--top = 0;
  task->stack = (uintptr_t)top;
  task->tables = tables;
}

static void ask(uint32_t count) {
  uint32_t sum = FIRST;
  for (uint32_t i = 0; i < count; i++) sum = mix(sum, call_kernel(ADD_ONE, i) == i + 1);
  call_kernel(END, sum);
}

uint32_t make_system_calls(uint32_t count) {
  make_task(0, ask, count, first_tables());
  switch_to(0, &waiting_stack);
  return result;
}

/* The first program passes the number at the even switches, the second at the odd ones; who comes last ends. */
static uint32_t switches;

static void pass_even(uint32_t sum) {
  for (uint32_t i = 0;; i += 2) {
    if (i == switches) call_kernel(END, sum);
    sum = mix(call_kernel(PASS, sum), i + 1);
  }
}

/* It begins when the first number has come. */
static void pass_odd(uint32_t number) {
  uint32_t sum = tasks[number].passed;
  for (uint32_t i = 0;; i += 2) {
    sum = mix(sum, i);
    if (i + 1 == switches) call_kernel(END, sum);
    sum = call_kernel(PASS, sum);
  }
}

uint32_t pass_to_and_fro(uint32_t count) {
  switches = count;
  make_task(0, pass_even, FIRST, first_tables());
  make_task(1, pass_odd, 1, second_tables());
  switch_to(0, &waiting_stack);
  return result;
}
