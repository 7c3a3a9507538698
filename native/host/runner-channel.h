// The runner's end of the channel: bytes and frames (runner.c lists the frames).
// The channel is a virtio-serial port (svm) or the I/O ports of bochs-shim.c (vtx). A serial line would do for
// neither: at 115200 baud a megabyte takes 90 s of the host's time, and each byte an interrupt that would disturb
// what is measured.
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

enum { PORT_DATA = 0x5640, PORT_READY = 0x5644, PORT_WANT = 0x5650 };  // as in bochs-shim.c
enum { CHUNK = 32768, POLL_MS = 10 };  // how often ports are looked at for what may come

static int port_fd = -1;  // the virtio-serial port; -1 where the channel is I/O ports

static void die(const char *what) {
  fprintf(stderr, "<3>runner: %s: %s\n", what, strerror(errno));  // to the kernel's log, as an error
  exit(1);
}

static bool input_ready(void) { return inl(PORT_READY) == 1; }  // all ones: the port is not there yet

static void receive(void *to, size_t size) {
  uint8_t *at = to;
  while (size > 0 && port_fd < 0) {
    size_t part = size < CHUNK ? size : CHUNK;
    outl(part, PORT_WANT);  // this machine stands still until so much is there
    insl(PORT_DATA, at, part / 4);
    insb(PORT_DATA, at + (part & ~3ul), part & 3);
    at += part;
    size -= part;
  }
  while (size > 0) {
    ssize_t n = read(port_fd, at, size);
    if (n > 0) { at += n; size -= n; }
    else if (n == 0) usleep(POLL_MS * 1000);  // nobody is at the other end
    else if (errno == EAGAIN) poll(&(struct pollfd){port_fd, POLLIN, 0}, 1, -1);
    else if (errno != EINTR) die("channel read");
  }
}

static void transmit(const void *from, size_t size) {
  const uint8_t *at = from;
  if (port_fd < 0) {
    outsl(PORT_DATA, at, size / 4);
    outsb(PORT_DATA, at + (size & ~3ul), size & 3);
    return;
  }
  while (size > 0) {
    ssize_t n = write(port_fd, at, size);
    if (n > 0) { at += n; size -= n; }
    else if (errno == EAGAIN) poll(&(struct pollfd){port_fd, POLLOUT, 0}, 1, 100);
    else if (errno != EINTR) die("channel write");
  }
}

static void send_frame(char type, const void *data, uint32_t size) {
  static uint8_t frame[5 + CHUNK];
  frame[0] = type;
  memcpy(frame + 1, &size, 4);
  memcpy(frame + 5, data, size);
  transmit(frame, 5 + size);
  if (port_fd < 0) outl(0, PORT_READY);  // hand it over now
}

static void send_status(uint8_t status) { send_frame('X', &status, 1); }

static char receive_head(uint32_t *size) {
  uint8_t head[5];
  receive(head, sizeof head);
  memcpy(size, head + 1, 4);
  return head[0];
}

static char *receive_text(uint32_t size) {
  char *text = calloc(1, size + 2);  // R and J have text after a first byte, which may be missing
  if (!text) die("calloc");
  receive(text, size);
  return text;
}

static void skip(uint32_t size) {
  uint8_t bytes[4096];
  while (size > 0) {
    uint32_t part = size < sizeof bytes ? size : sizeof bytes;
    receive(bytes, part);
    size -= part;
  }
}
