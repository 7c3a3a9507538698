// What one Node environment (a thread) owns: file descriptors, and mappings laid over its buffers.
// Each is given back exactly once: when JavaScript asks, else when the environment ends.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <map>
#include <set>

class Owned {
 public:
  explicit Owned(napi_env env) : env_(env) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { Release(); }

  void AddFd(int fd) { fds_.insert(fd); }
  // Closes it. Returns 0, or the errno: EBADF where it is not owned, so that nobody else's is closed.
  int CloseFd(int fd);

  // Keeps `buffer` alive as long as a file is mapped over [address, address + length).
  int AddMapping(void* address, size_t length, napi_value buffer);
  // Puts anonymous memory there. Returns 0, or the errno: EINVAL where no such mapping is owned.
  int RemoveMapping(void* address, size_t length);

  void Release();

 private:
  struct Mapping {
    size_t length;
    napi_ref buffer;
  };
  static int MapAnonymous(void* address, size_t length);

  napi_env env_;
  std::set<int> fds_;
  std::map<void*, Mapping> mappings_;
};
