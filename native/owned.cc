#include "owned.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

int Owned::CloseFd(int fd) {
  if (fds_.erase(fd) == 0) return EBADF;
  // Linux closes the descriptor even when close() fails: a second try could close somebody else's.
  return close(fd) == 0 || errno == EINTR ? 0 : errno;
}

int Owned::AddMapping(void* address, size_t length, napi_value buffer) {
  napi_ref reference = nullptr;
  if (napi_create_reference(env_, buffer, 1, &reference) != napi_ok) return EINVAL;
  auto [place, added] = mappings_.insert({address, {length, reference}});
  if (!added) {
    napi_delete_reference(env_, reference);
    return place->second.length == length ? 0 : EEXIST;
  }
  return 0;
}

int Owned::RemoveMapping(void* address, size_t length) {
  auto place = mappings_.find(address);
  if (place == mappings_.end() || place->second.length != length) return EINVAL;
  const int error = MapAnonymous(address, length);
  if (error != 0) return error;
  napi_delete_reference(env_, place->second.buffer);
  mappings_.erase(place);
  return 0;
}

void Owned::Release() {
  // Mappings first: a mapped kvm_run page keeps the whole VM alive in the kernel, whatever was closed.
  for (const auto& [address, mapping] : mappings_) {
    MapAnonymous(address, mapping.length);
    napi_delete_reference(env_, mapping.buffer);
  }
  mappings_.clear();
  for (int fd : fds_) close(fd);
  fds_.clear();
}

// The address range belongs to V8: it must stay mapped, so it is replaced and never unmapped.
int Owned::MapAnonymous(void* address, size_t length) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  return mmap(address, length, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? errno : 0;
}
