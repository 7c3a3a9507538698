/*
 * levels-container DIRECTORY PROGRAM [ARGUMENT...]: runs a static program in a container made of Linux namespaces, for
 * users, mounts, processes, network, IPC, host names and cgroups. Its root is a tmpfs with /program and an empty /tmp, and
 * it is process 1 there. DIRECTORY is where that tmpfs is mounted first: any will do, and nothing of it is seen outside.
 * An ordinary user is root inside. At its end nothing has to be cleared away: mounts and processes end with the namespaces.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES                                                                                                     \
  (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
#define FAILED 125

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(FAILED);
}

static void check(int result, const char *what) {
  if (result < 0) fail(what);
}

static void write_text(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const ssize_t length = (ssize_t)strlen(text);
  if (fd < 0 || write(fd, text, (size_t)length) != length) fail(path);
  close(fd);
}

/* Root inside is who started it. */
static void map_user(uid_t user, gid_t group) {
  char line[64];
  write_text("/proc/self/setgroups", "deny");
  snprintf(line, sizeof line, "0 %u 1", user);
  write_text("/proc/self/uid_map", line);
  snprintf(line, sizeof line, "0 %u 1", group);
  write_text("/proc/self/gid_map", line);
}

static void copy_program(int from, const char *to) {
  struct stat stat;
  const int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (fd < 0 || fstat(from, &stat) != 0) fail("the program");
  for (off_t left = stat.st_size; left > 0;) {
    const ssize_t copied = sendfile(fd, from, NULL, (size_t)left);
    if (copied <= 0) fail("copying the program");
    left -= copied;
  }
  close(fd);
}

/* The current directory becomes the root, and the old one is gone. An initramfs cannot go: it is covered (switch_root(8)). */
static void enter_root(void) {
  if (syscall(SYS_pivot_root, ".", ".") == 0) check(umount2(".", MNT_DETACH), "unmounting the old root");
  else if (errno == EINVAL) {
    check(mount(".", "/", NULL, MS_MOVE, NULL), "moving the root");
    check(chroot("."), "chroot");
  } else fail("pivot_root");
  check(chdir("/"), "chdir");
}

static void run_inside(const char *directory, int program, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "a mount namespace");
  check(mount("tmpfs", directory, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755"), "a tmpfs");
  check(chdir(directory), directory);
  copy_program(program, "program");
  check(mkdir("tmp", 0700), "a directory");
  enter_root();
  check(sethostname("container", strlen("container")), "a host name");
  execve("/program", argv, (char *[]){NULL});
  fail("starting the program");
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "levels-container DIRECTORY PROGRAM [ARGUMENT...]\n");
    return FAILED;
  }
  const uid_t user = geteuid();
  const gid_t group = getegid();
  const int program = open(argv[2], O_RDONLY | O_CLOEXEC);
  check(program, argv[2]);
  check(unshare(NAMESPACES), "no namespaces may be made");
  map_user(user, group);
  const pid_t inside = fork();
  check(inside, "fork");
  if (inside == 0) run_inside(argv[1], program, argv + 2);
  int status;
  check(waitpid(inside, &status, 0), "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
