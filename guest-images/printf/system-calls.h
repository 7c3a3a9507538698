/* What the program asks of the kernel: Linux's numbers and registers (rax: number and result; rdi, rsi, rdx). */
#define SYS_WRITE       1               /* file descriptor, address, bytes: returns bytes written */
#define SYS_EXIT        60              /* status */

/* The other way in, an instruction that no CPU has. */
#define INVALID_OPCODE  6               /* its exception */
#define UD2_BYTES       2

/* Results that are errors, negated. */
#define EBADF           9               /* no such file descriptor */
#define EFAULT          14              /* an address that is not the program's */
#define ENOSYS          38              /* no such system call */
