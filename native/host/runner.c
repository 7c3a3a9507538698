// Process 1 of a nested host, after init: does what arrives over one byte channel, one request at a time.
//
// A frame is a type byte, a little-endian 32-bit length and that many bytes.
//   requests, each answered by X:
//     R  flags byte, shell command: run it          J  flags byte, JSON: run this job in the waiting agent
//     F  mode u16, path length u16, path, bytes: write a file        G  path: read a file
//     C  seconds u64, nanoseconds u64, random bytes: set the clock   W  start an agent, which waits for its job
//     Z  sleep until the next request: this machine is going to be saved
//   while a command runs:  I  its input, at most what was acknowledged     i  end of its input     S  signal number
//     N  nothing: only the interrupt that it comes with is wanted
//   answers:  H  ready    O  standard output    E  standard error    A  u32: so much input was taken
//             X  exit status, one byte
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner-channel.h"

enum {
  INPUT_WINDOW = 65536,      // as in src/host/frames.ts
  POLL_SIGNALS_MS = 50,      // in place of POLL_MS when a command's input has ended: seldom, since it disturbs what is measured
  CONTROL_FD = 3,            // an agent's end of the socket that brings its job
  FLAG_INPUT_FOLLOWS = 1,    // all of the input is on its way: wait for it, the machine's time stands still
};
static const char *const AGENT[] = {"/bin/node", "/vmlaunch/dist/cli/agent.js", 0};

// Answers a request that failed.
static void send_error(const char *what) {
  char line[4352];
  int size = snprintf(line, sizeof line, "%s: %s\n", what, strerror(errno));
  send_frame('E', line, size < (int)sizeof line ? size : (int)sizeof line - 1);
  send_status(1);
}

// ---- processes ----

struct process {
  pid_t pid;
  int pidfd, in, out, err;  // our ends of its pipes, non-blocking; -1: closed
  int control;              // an agent's job goes here, its status comes back; -1: a shell command
  int status;               // what an agent said; -1: nothing
};

static struct process agent = {.pid = 0};  // waits for its job; pid 0: there is none

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static struct process start(const char *const *argv, bool with_control) {
  int in[2], out[2], err[2], control[2] = {-1, -1};
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) die("pipe");
  if (with_control && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control)) die("socketpair");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    // Up and out of the way first: any of these may have the number of another's place.
    int from[] = {in[0], out[1], err[1], control[1]};
    for (int i = 0; i < 4; i++) if (from[i] >= 0) from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 4; i++) if (from[i] >= 0) dup2(from[i], i);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    execv(argv[0], (char *const *)argv);
    _exit(127);
  }
  close(in[0]); close(out[1]); close(err[1]); close_fd(&control[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK); fcntl(out[0], F_SETFL, O_NONBLOCK); fcntl(err[0], F_SETFL, O_NONBLOCK);
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) die("pidfd_open");
  return (struct process){pid, pidfd, in[1], out[0], err[0], control[0], -1};
}

// Waits for the end; whatever it left running goes with it. Returns the status as a shell would.
static uint8_t finish(struct process *p) {
  int status = 0;
  siginfo_t info;
  waitid(P_PID, p->pid, &info, WEXITED | WNOWAIT);
  kill(-p->pid, SIGKILL);
  waitpid(p->pid, &status, 0);
  close_fd(&p->in); close_fd(&p->out); close_fd(&p->err); close_fd(&p->control); close_fd(&p->pidfd);
  while (waitpid(-1, 0, WNOHANG) > 0) {}  // orphans, since this is process 1
  p->pid = 0;
  if (p->status >= 0) return p->status;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Passes on what is in the pipe; closes it at its end. Returns whether there was anything.
static bool forward(int *fd, char type) {
  static uint8_t buffer[CHUNK];
  if (*fd < 0) return false;
  ssize_t n = read(*fd, buffer, sizeof buffer);
  if (n > 0) send_frame(type, buffer, n);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR)) close_fd(fd);
  return n > 0;
}

// An agent that says its status is done: all of its output is in the pipes.
static void take_status(struct process *p) {
  uint8_t status;
  if (read(p->control, &status, 1) == 1) {
    p->status = status;
    kill(-p->pid, SIGKILL);
  }
  close_fd(&p->control);
}

// ---- a command's input ----

static struct { uint8_t bytes[INPUT_WINDOW]; size_t from, to; bool ended; } input;

// Takes a frame that came while a command runs. The other side never sends more than the window has room for.
static void take_frame(struct process *p) {
  uint32_t size;
  char type = receive_head(&size);
  if (type == 'I' && size <= INPUT_WINDOW - (input.to - input.from)) {
    if (input.to + size > INPUT_WINDOW) {
      memmove(input.bytes, input.bytes + input.from, input.to - input.from);
      input.to -= input.from;
      input.from = 0;
    }
    receive(input.bytes + input.to, size);
    input.to += size;
  } else if (type == 'S' && size == 1) {
    uint8_t number;
    receive(&number, 1);
    // The command leads a group of its own, unless it is so young that it does not do so yet.
    if (kill(-p->pid, number)) kill(p->pid, number);
  } else {
    if (type == 'i') input.ended = true;
    skip(size);
  }
}

static void feed(struct process *p) {
  if (input.from < input.to) {
    ssize_t n = p->in < 0 ? -1 : write(p->in, input.bytes + input.from, input.to - input.from);
    if (n < 0 && (p->in < 0 || (errno != EAGAIN && errno != EINTR))) {  // it closed its input: drop the rest
      close_fd(&p->in);
      n = input.to - input.from;
    }
    if (n > 0) {
      uint32_t taken = n;
      input.from += n;
      send_frame('A', &taken, sizeof taken);
    }
  }
  if (input.from == input.to && input.ended) close_fd(&p->in);
}

static bool has_room(void) { return !input.ended && input.to - input.from < INPUT_WINDOW; }

static void attend(struct process *p, bool input_follows) {
  input.from = input.to = 0;
  input.ended = false;
  for (;;) {
    // The other side keeps the window full until the end. Waiting for that, in which no time passes, is what makes a
    // run repeatable: whether the next frame has come yet depends on how fast the other side is.
    do {
      while (input_follows && has_room()) take_frame(p);
      feed(p);
    } while (input_follows && has_room());
    bool ready = port_fd < 0 && input_ready();
    struct pollfd fds[] = {
      {p->out, POLLIN, 0}, {p->err, POLLIN, 0}, {p->pidfd, POLLIN, 0}, {port_fd, POLLIN, 0},
      {input.from < input.to ? p->in : -1, POLLOUT, 0}, {p->control, POLLIN, 0},
    };
    // Nothing tells of input on ports: they are looked at now and then.
    int wait_ms = port_fd >= 0 ? -1 : ready ? 0 : input.ended ? POLL_SIGNALS_MS : POLL_MS;
    poll(fds, sizeof fds / sizeof *fds, wait_ms);
    bool busy = forward(&p->out, 'O') | forward(&p->err, 'E');
    if (ready || (fds[3].revents & POLLIN)) take_frame(p);
    if (fds[5].revents & (POLLIN | POLLHUP)) take_status(p);
    if ((fds[2].revents & POLLIN) && !busy) return;  // it ended, and no output is left
  }
}

// ---- requests ----

static void run_shell(const char *request) {
  const char *const argv[] = {"/bin/sh", "-c", request + 1, 0};
  struct process p = start(argv, false);
  attend(&p, request[0] & FLAG_INPUT_FOLLOWS);
  send_status(finish(&p));
}

// Starts an agent where none waits. Returns whether it waits: it says so when it has loaded everything.
static bool have_agent(void) {
  if (agent.pid != 0) return true;
  agent = start(AGENT, true);
  char byte;
  if (read(agent.control, &byte, 1) == 1) return true;
  close_fd(&agent.control);
  return false;
}

static void run_job(const char *request) {
  bool waits = have_agent();
  struct process p = agent;
  agent.pid = 0;
  size_t size = strlen(request + 1);
  for (size_t done = 0; waits && done < size;) {
    ssize_t n = send(p.control, request + 1 + done, size - done, MSG_NOSIGNAL);
    if (n <= 0) break;  // it has ended, which its status and its output tell
    done += n;
  }
  if (waits) shutdown(p.control, SHUT_WR);
  attend(&p, request[0] & FLAG_INPUT_FOLLOWS);
  send_status(finish(&p));
}

static void warm_agent(void) {
  if (have_agent()) {
    send_status(0);
    return;
  }
  attend(&agent, false);
  send_status(finish(&agent) | 1);  // never 0: it was to wait
}

static int make_directories(char *path) {
  for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = 0;
    int failed = mkdir(path, 0755) && errno != EEXIST;
    *slash = '/';
    if (failed) return -1;
  }
  return 0;
}

static void put_file(uint32_t size) {
  static uint8_t buffer[CHUNK];
  uint16_t mode, path_size;
  receive(&mode, 2);
  receive(&path_size, 2);
  char *path = receive_text(path_size);
  size -= 4 + path_size;
  unlink(path);  // never through a link, nor into a program that runs
  int fd = make_directories(path) ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  while (size > 0 && fd >= 0) {
    uint32_t part = size < CHUNK ? size : CHUNK;
    receive(buffer, part);
    size -= part;
    for (uint32_t done = 0; done < part;) {
      ssize_t n = write(fd, buffer + done, part - done);
      if (n > 0) { done += n; continue; }
      int error = errno;
      close_fd(&fd);
      errno = error;
      break;
    }
  }
  int error = errno;
  skip(size);
  errno = error;
  if (fd < 0) {
    send_error(path);
  } else {
    struct timespec epoch[2] = {{0}};
    futimens(fd, epoch);
    fchmod(fd, mode);
    close(fd);
    send_status(0);
  }
  free(path);
}

static void get_file(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  static uint8_t buffer[CHUNK];
  ssize_t n = -1;
  while (fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0) send_frame('O', buffer, n);
  if (n < 0) send_error(path);
  else send_status(0);
  close_fd(&fd);
}

// A snapshot holds the kernel's random state: with the time come bytes that make this run's numbers its own.
static void set_clock(const char *request, uint32_t size) {
  uint64_t time[2];
  struct { struct rand_pool_info info; char bytes[64]; } entropy;
  if (size < sizeof time || size - sizeof time > sizeof entropy.bytes) { errno = EINVAL; send_error("clock"); return; }
  memcpy(time, request, sizeof time);
  if (clock_settime(CLOCK_REALTIME, &(struct timespec){time[0], time[1]})) { send_error("clock_settime"); return; }
  size -= sizeof time;
  if (size > 0) {
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    entropy.info.entropy_count = size * 8;
    entropy.info.buf_size = size;
    memcpy(entropy.bytes, request + sizeof time, size);
    if (fd < 0 || ioctl(fd, RNDADDENTROPY, &entropy) || ioctl(fd, RNDRESEEDCRNG)) { send_error("/dev/urandom"); return; }
    close(fd);
  }
  send_status(0);
}

static void sleep_until_asked(void) {
  // A machine that sleeps can be saved; one that stands still at PORT_WANT cannot.
  while (port_fd < 0 && !input_ready()) usleep(POLL_MS * 1000);
}

static void serve(void) {
  uint32_t size;
  char type = receive_head(&size);
  if (type == 'F' && size >= 4) {
    put_file(size);
    return;
  }
  if (!strchr("RJGCWZ", type)) {  // what came too late for a command that has ended
    skip(size);
    return;
  }
  char *request = receive_text(size);
  switch (type) {
    case 'R': run_shell(request); break;
    case 'J': run_job(request); break;
    case 'G': get_file(request); break;
    case 'C': set_clock(request, size); break;
    case 'W': warm_agent(); break;
    case 'Z': send_status(0); sleep_until_asked(); break;
  }
  free(request);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  if (argc > 1) {
    port_fd = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port_fd < 0) die(argv[1]);
  } else if (iopl(3)) die("iopl");
  send_frame('H', "", 0);
  sleep_until_asked();
  for (;;) serve();
}
