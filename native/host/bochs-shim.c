// LD_PRELOAD for Debian's bochs-bin 2.7. It gives the emulated machine what Bochs lacks:
//   - a byte channel to the caller, on I/O ports (a COM port would be slow, and loses bytes when it overruns);
//   - a way to copy kernel and initramfs into memory at once (see bochs-loader.S);
//   - a way to save the machine's state without a person at Bochs' dialogue (SIGUSR1), and to restore it without a
//     copy of its memory in a temporary file.
// It calls functions that the program exports for its plugins; their names are in the C++ ABI's spelling.
//   VMLAUNCH_CHANNEL  number of the inherited socket that carries the channel
//   VMLAUNCH_BOOT     plan of what to load (a cold start only), see src/host/bochs.ts
//   VMLAUNCH_SAVE     directory for the state, saved at SIGUSR1
//   VMLAUNCH_MEMORY   the saved memory, when the machine starts from saved state
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BOCHS(name) __asm__(name) __attribute__((weak))
extern void *SIM __attribute__((weak));
extern char bx_devices[] __attribute__((weak));
typedef uint32_t read_handler(void *self, uint32_t port, unsigned size);
typedef void write_handler(void *self, uint32_t port, uint32_t value, unsigned size);
extern bool register_read(void *devices, void *self, read_handler *, uint32_t port, const char *name, uint8_t sizes)
    BOCHS("_ZN12bx_devices_c24register_io_read_handlerEPvPFjS0_jjEjPKch");
extern bool register_write(void *devices, void *self, write_handler *, uint32_t port, const char *name, uint8_t sizes)
    BOCHS("_ZN12bx_devices_c25register_io_write_handlerEPvPFvS0_jjjEjPKch");
extern void write_page(uint64_t address, unsigned size, uint8_t *data)
    BOCHS("_ZN8BX_MEM_C20dmaWritePhysicalPageEmjPh");
extern bool save_state(void *simulator, const char *directory) BOCHS("_ZN13bx_real_sim_c10save_stateEPKc");
extern void **bx_cpu_array __attribute__((weak));
extern void handle_interrupt_mask_change(void *cpu) BOCHS("_ZN8BX_CPU_C25handleInterruptMaskChangeEv");

enum {
  PORT_DATA = 0x5640,   // 1 or 4 bytes: read the next of the input, write the next of the output
  PORT_READY = 0x5644,  // 4 bytes: read whether input is there (0 or 1), write anything to send the output
  PORT_ENTRY = 0x5648,  // 4 bytes: read to load what the plan says; the kernel's entry address
  PORT_INFO = 0x564c,   // 4 bytes: read the address of the PVH start info
  PORT_WANT = 0x5650,   // 4 bytes: write a count to have that many bytes of input; the machine's time stands still
};

static void fail(const char *what) {
  perror(what);
  _exit(1);
}

// ---- the channel ----

static int channel = -1;
static uint8_t in[65536], out[65536];
static size_t in_from, in_to, out_size;

static void send_output(void) {  // waits when the caller is slow: the machine's time stands still meanwhile
  for (size_t done = 0; done < out_size;) {
    ssize_t n = send(channel, out + done, out_size - done, MSG_NOSIGNAL);
    if (n <= 0) _exit(0);  // the caller is gone
    done += n;
  }
  out_size = 0;
}

static void receive_input(int flags) {
  if (in_from == in_to) in_from = in_to = 0;
  ssize_t n = recv(channel, in + in_to, sizeof in - in_to, flags);
  if (n == 0) _exit(0);
  if (n > 0) in_to += n;
}

static bool input_ready(void) {
  if (in_from == in_to) receive_input(MSG_DONTWAIT);
  return in_from < in_to;
}

// What the machine sees of its input depends on how much it asked for, never on how the bytes happened to arrive:
// that is what makes a run repeatable.
static void want_input(size_t count) {
  if (count > sizeof in) count = sizeof in;
  if (in_from + count > sizeof in) {
    memmove(in, in + in_from, in_to - in_from);
    in_to -= in_from;
    in_from = 0;
  }
  while (in_to - in_from < count) receive_input(0);
}

static uint32_t next_input(unsigned size) {
  uint32_t value = 0;
  for (unsigned i = 0; i < size; i++) value |= (in_from < in_to ? in[in_from++] : 0xffu) << (8 * i);
  return value;
}

static void open_channel(void) {
  const char *number = getenv("VMLAUNCH_CHANNEL");
  if (!number) fail("VMLAUNCH_CHANNEL");
  channel = atoi(number);
  // A restored machine goes on when there is something for it to do, so that it always does it at the same moment.
  if (getenv("VMLAUNCH_MEMORY")) want_input(1);
}

// ---- loading the kernel ----

static uint32_t start_info;

static void load(uint64_t to, size_t size, off_t offset, const char *path) {
  int fd = open(path, O_RDONLY);
  off_t page = offset & ~4095L;
  uint8_t *map = mmap(0, size + (offset - page), PROT_READ, MAP_PRIVATE, fd, page);
  if (map == MAP_FAILED) fail(path);
  for (size_t done = 0; done < size;) {
    size_t part = 4096 - ((to + done) & 4095);
    if (part > size - done) part = size - done;
    write_page(to + done, part, map + (offset - page) + done);
    done += part;
  }
  munmap(map, size + (offset - page));
  close(fd);
}

static uint32_t load_plan(void) {
  const char *path = getenv("VMLAUNCH_BOOT");
  if (!path) _exit(1);  // a restored machine was reset: it has nothing to start again from
  FILE *plan = fopen(path, "r");
  if (!plan) fail(path);
  unsigned long to, size, offset;
  uint32_t entry = 0;
  char file[4096], line[4352];
  while (fgets(line, sizeof line, plan)) {
    if (sscanf(line, "load %li %li %li %4095[^\n]", &to, &size, &offset, file) == 4) load(to, size, offset, file);
    else sscanf(line, "enter %i %i", &entry, &start_info);
  }
  fclose(plan);
  return entry;
}

// ---- the ports ----

static uint32_t on_read(void *self, uint32_t port, unsigned size) {
  (void)self;
  switch (port) {
    case PORT_DATA: return next_input(size);
    case PORT_READY: return input_ready();
    case PORT_ENTRY: return load_plan();
    default: return start_info;
  }
}

static void on_write(void *self, uint32_t port, uint32_t value, unsigned size) {
  (void)self;
  if (port == PORT_DATA) {
    if (out_size + size > sizeof out) send_output();
    for (unsigned i = 0; i < size; i++) out[out_size++] = value >> (8 * i);
  } else if (port == PORT_READY) {
    send_output();
  } else if (port == PORT_WANT) {
    want_input(value);
  }
}

// ---- hooks ----

static FILE *memory;
static volatile sig_atomic_t save_requested;
static void request_save(int number) { (void)number; save_requested = 1; }

static void start(void) {
  open_channel();
  for (uint32_t port = PORT_DATA; port <= PORT_WANT; port += 4) {
    uint8_t sizes = port == PORT_DATA ? 1 | 4 : 4;  // a mask of widths
    register_read(bx_devices, 0, on_read, port, "vmlaunch", sizes);
    register_write(bx_devices, 0, on_write, port, "vmlaunch", sizes);
  }
  if (getenv("VMLAUNCH_SAVE")) signal(SIGUSR1, request_save);
}

static void save(void) {
  // Bochs first copies the rest of the file that it was restored from, then writes all that is in its memory anyway.
  if (memory) fseeko(memory, 0, SEEK_END);
  _exit(save_state(SIM, getenv("VMLAUNCH_SAVE")) ? 0 : 1);
}

// With "external-interrupt exiting" an interrupt ends a guest whatever its RFLAGS.IF says (SDM volume 3, 26.3.2). Bochs
// looks at that only when IF changes, and at a VM entry it does not where both sides have it off: a guest that was
// entered so and spins would keep the processor for good. This is what Bochs does at a change; done again, it changes
// nothing else.
static void let_interrupts_end_guests(void) { handle_interrupt_mask_change(bx_cpu_array[0]); }

// Nothing reads the terminal to which Bochs writes its screen. What it says there at every look would fill it in some
// minutes of the machine's time, and the next write would wait for ever, and the machine with it.
int curs_set(int visibility) { return visibility; }
int refresh(void) { return 0; }

// Bochs' text display asks for a key each millisecond of the machine's time, between two instructions, with
// everything at rest: the one place from which its state can be saved. There is never a key.
int wgetch(void *window) {
  (void)window;
  static bool started;
  if (!started) start();
  started = true;
  if (save_requested) save();
  let_interrupts_end_guests();
  return -1;
}

// To restore, Bochs copies the saved memory (memory.ram in the state) into a temporary file, and reads each block of
// memory from that. It finds an empty memory.ram to copy; this gives it the saved memory to read.
FILE *tmpfile64(void) {
  const char *path = getenv("VMLAUNCH_MEMORY");
  if (!path) return tmpfile();
  memory = fopen(path, "rb");
  if (!memory) fail(path);
  return memory;
}

// And reading is no reading: the block is mapped, so that only what the machine touches is ever read.
size_t fread(void *to, size_t size, size_t count, FILE *stream) {
  static size_t (*real)(void *, size_t, size_t, FILE *);
  if (!real) real = dlsym(RTLD_NEXT, "fread");
  if (stream != memory || !memory || size % 4096 != 0 || (uintptr_t)to % 4096 != 0) return real(to, size, count, stream);
  off_t at = ftello(stream);
  void *mapped = mmap(to, size * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fileno(stream), at);
  if (mapped == MAP_FAILED) fail("mmap");
  return count;
}
