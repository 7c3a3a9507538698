// System calls for src/kvm: plain functions over file descriptors and addresses, both as Numbers.
// Mechanism only: no device, no guest, no policy. src/kvm/native.ts says what each function does.

#include <fcntl.h>
#include <linux/kvm.h>
#include <napi.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "kick_timer.h"
#include "owned.h"
#include "recorder.h"

namespace {

constexpr double kNsPerSecond = 1e9;

const char* ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "UNKNOWN";
}

// An Error with code, errno and syscall, as Node's own have.
Napi::Error SystemError(Napi::Env env, int error, const char* syscall) {
  const std::string message = std::string(syscall) + ": " + ErrnoName(error) + ", " + strerror(error);
  Napi::Error thrown = Napi::Error::New(env, message);
  thrown.Set("code", Napi::String::New(env, ErrnoName(error)));
  thrown.Set("errno", Napi::Number::New(env, error));
  thrown.Set("syscall", Napi::String::New(env, syscall));
  return thrown;
}

template <typename Result>
Result Check(Napi::Env env, Result result, const char* syscall) {
  if (result < 0) throw SystemError(env, errno, syscall);
  return result;
}

void CheckError(Napi::Env env, int error, const char* syscall) {
  if (error != 0) throw SystemError(env, error, syscall);
}

Owned& OwnedBy(Napi::Env env) { return *env.GetInstanceData<Owned>(); }

int64_t Integer(const Napi::CallbackInfo& info, size_t index) {
  const Napi::Value value = info[index];
  if (!value.IsNumber()) throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index + 1) + " is no number");
  return value.As<Napi::Number>().Int64Value();
}

int Fd(const Napi::CallbackInfo& info) { return static_cast<int>(Integer(info, 0)); }

struct View {
  uint8_t* data;
  size_t length;
  napi_value buffer;
};

// Node-API's own call: node-addon-api's TypedArray refuses a SharedArrayBuffer.
View Bytes(const Napi::CallbackInfo& info, size_t index) {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  View view{nullptr, 0, nullptr};
  const napi_status status =
      napi_get_typedarray_info(info.Env(), info[index], &type, &view.length, &data, &view.buffer, nullptr);
  if (status != napi_ok || type != napi_uint8_array)
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index + 1) + " is no Uint8Array");
  view.data = static_cast<uint8_t*>(data);
  return view;
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString();
  const int flags = static_cast<int>(Integer(info, 1));
  const int fd = Check(info.Env(), open(path.c_str(), flags | O_CLOEXEC), "open");
  OwnedBy(info.Env()).AddFd(fd);
  return Napi::Number::New(info.Env(), fd);
}

void Close(const Napi::CallbackInfo& info) {
  CheckError(info.Env(), OwnedBy(info.Env()).CloseFd(Fd(info)), "close");
}

// A signal may come at any time, a profiler's for one: only KVM_RUN is to return for it.
template <typename Argument>
int IoctlAgain(int fd, unsigned long request, Argument argument) {
  int result = 0;
  do result = ioctl(fd, request, argument);
  while (result < 0 && errno == EINTR);
  return result;
}

Napi::Value Ioctl(const Napi::CallbackInfo& info) {
  const auto request = static_cast<unsigned long>(Integer(info, 1));
  const int result = Check(info.Env(), IoctlAgain(Fd(info), request, Integer(info, 2)), "ioctl");
  return Napi::Number::New(info.Env(), result);
}

Napi::Value IoctlBuffer(const Napi::CallbackInfo& info) {
  const auto request = static_cast<unsigned long>(Integer(info, 1));
  const View view = Bytes(info, 2);
  if (view.length < _IOC_SIZE(request)) throw Napi::RangeError::New(info.Env(), "the buffer is too small for the request");
  const int result = Check(info.Env(), IoctlAgain(Fd(info), request, view.data), "ioctl");
  return Napi::Number::New(info.Env(), result);
}

Napi::Value IoctlFd(const Napi::CallbackInfo& info) {
  const auto request = static_cast<unsigned long>(Integer(info, 1));
  const int fd = Check(info.Env(), IoctlAgain(Fd(info), request, Integer(info, 2)), "ioctl");
  OwnedBy(info.Env()).AddFd(fd);
  return Napi::Number::New(info.Env(), fd);
}

// The hot path: one call an exit. Node-API without the C++ wrapper; the descriptor comes with the function, and
// success gives undefined, so a call makes and reads no JavaScript value.
struct RunData {
  int fd;
  double* ticks;  // in the buffer that the function refers to; null where no time is taken
  const kvm_coalesced_mmio_ring* ring;
};

constexpr kvm_coalesced_mmio_ring kNoRing = {};

napi_value RunResult(napi_env env, int status, const kvm_coalesced_mmio_ring* ring = &kNoRing) {
  if (status == 0 && ring->first == ring->last) return nullptr;
  napi_value result = nullptr;
  napi_create_int32(env, status == 0 ? 1 : -errno, &result);
  return result;
}

napi_value Run(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const auto* run = static_cast<RunData*>(data);
  return RunResult(env, ioctl(run->fd, KVM_RUN, 0), run->ring);
}

napi_value RunTimed(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  auto* run = static_cast<RunData*>(data);
  const uint64_t before = __rdtsc();
  const int status = ioctl(run->fd, KVM_RUN, 0);
  *run->ticks += static_cast<double>(__rdtsc() - before);
  return RunResult(env, status, run->ring);
}

napi_value RunRecording(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return RunResult(env, static_cast<Recorder*>(data)->Run());
}

// A function that owns `data`, and keeps alive the buffers that it writes to.
template <typename Data>
Napi::Value RunFunction(const Napi::CallbackInfo& info, napi_callback callback, Data* data) {
  const Napi::Env env = info.Env();
  napi_value function = nullptr;
  napi_create_function(env, "run", NAPI_AUTO_LENGTH, callback, data, &function);
  napi_add_finalizer(env, function, data, [](napi_env, void* run, void*) { delete static_cast<Data*>(run); }, nullptr, nullptr);
  for (size_t i = 1; i < info.Length(); i++) napi_set_element(env, function, i, info[i]);
  return Napi::Value(env, function);
}

double* Ticks(const Napi::CallbackInfo& info, size_t index) {
  const View view = Bytes(info, index);
  if (view.length != sizeof(double) || reinterpret_cast<uintptr_t>(view.data) % alignof(double) != 0)
    throw Napi::RangeError::New(info.Env(), "the time is no aligned 64-bit cell");
  return reinterpret_cast<double*>(view.data);
}

Napi::Value MakeRun(const Napi::CallbackInfo& info) {
  const auto* ring = info[2].IsNull() ? &kNoRing : reinterpret_cast<kvm_coalesced_mmio_ring*>(Bytes(info, 2).data);
  if (info[1].IsNull()) return RunFunction(info, Run, new RunData{Fd(info), nullptr, ring});
  return RunFunction(info, RunTimed, new RunData{Fd(info), Ticks(info, 1), ring});
}

Napi::Value MakeRecordingRun(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const View page = Bytes(info, 1);
  const View ring = Bytes(info, 2);
  const size_t records = ring.length < sizeof(RingHeader) ? 0 : (ring.length - sizeof(RingHeader)) / sizeof(ExitRecord);
  const bool isPowerOfTwo = records != 0 && (records & (records - 1)) == 0;
  const bool isAligned = reinterpret_cast<uintptr_t>(ring.data) % alignof(ExitRecord) == 0;
  if (page.length < sizeof(kvm_run) || !isPowerOfTwo || !isAligned)
    throw Napi::RangeError::New(env, "no kvm_run, or no ring of a power of two of records");
  const auto* run = reinterpret_cast<const kvm_run*>(page.data);
  auto* recorder = new Recorder(Fd(info), run, page.length, ring.data, ring.length, Ticks(info, 3));
  return RunFunction(info, RunRecording, recorder);
}

Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(reinterpret_cast<uintptr_t>(Bytes(info, 0).data)));
}

void MapOver(const Napi::CallbackInfo& info) {
  const View view = Bytes(info, 0);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  if (view.length == 0 || reinterpret_cast<uintptr_t>(view.data) % page != 0 || view.length % page != 0)
    throw SystemError(info.Env(), EINVAL, "mmap");
  const int protection = static_cast<int>(Integer(info, 1));
  const int flags = static_cast<int>(Integer(info, 2)) | MAP_FIXED;
  const int fd = static_cast<int>(Integer(info, 3));
  // Owned first: what is mapped is never forgotten.
  CheckError(info.Env(), OwnedBy(info.Env()).AddMapping(view.data, view.length, view.buffer), "mmap");
  if (mmap(view.data, view.length, protection, flags, fd, Integer(info, 4)) == MAP_FAILED) {
    const int error = errno;
    OwnedBy(info.Env()).RemoveMapping(view.data, view.length);
    throw SystemError(info.Env(), error, "mmap");
  }
}

void UnmapOver(const Napi::CallbackInfo& info) {
  const View view = Bytes(info, 0);
  CheckError(info.Env(), OwnedBy(info.Env()).RemoveMapping(view.data, view.length), "mmap");
}

void Copy(const Napi::CallbackInfo& info) {
  const View to = Bytes(info, 0);
  const View from = Bytes(info, 2);
  const auto to_offset = static_cast<size_t>(Integer(info, 1));
  const auto from_offset = static_cast<size_t>(Integer(info, 3));
  const auto length = static_cast<size_t>(Integer(info, 4));
  const auto fits = [length](const View& view, size_t offset) {
    return offset <= view.length && length <= view.length - offset;
  };
  if (!fits(to, to_offset) || !fits(from, from_offset))
    throw Napi::RangeError::New(info.Env(), "the copy is not within its buffers");
  if (length > 0) memmove(to.data + to_offset, from.data + from_offset, length);
}

void Madvise(const Napi::CallbackInfo& info) {
  const View view = Bytes(info, 0);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t from = (reinterpret_cast<uintptr_t>(view.data) + page - 1) & ~(page - 1);
  const uintptr_t to = (reinterpret_cast<uintptr_t>(view.data) + view.length) & ~(page - 1);
  if (to > from)
    Check(info.Env(), madvise(reinterpret_cast<void*>(from), to - from, static_cast<int>(Integer(info, 1))), "madvise");
}

Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  const auto initial = static_cast<unsigned>(Integer(info, 0));
  const int fd = Check(info.Env(), eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  OwnedBy(info.Env()).AddFd(fd);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value Counted(Napi::Env env, ssize_t count) {
  return Napi::Number::New(env, static_cast<double>(count < 0 ? -errno : count));
}

View Tail(const Napi::CallbackInfo& info, size_t index) {
  const View view = Bytes(info, 1);
  const int64_t offset = Integer(info, index);
  if (offset < 0 || static_cast<size_t>(offset) > view.length)
    throw Napi::RangeError::New(info.Env(), "the offset is outside the buffer");
  return {view.data + offset, view.length - static_cast<size_t>(offset), view.buffer};
}

Napi::Value Read(const Napi::CallbackInfo& info) {
  const View view = Tail(info, 2);
  return Counted(info.Env(), read(Fd(info), view.data, view.length));
}

Napi::Value Pread(const Napi::CallbackInfo& info) {
  const View view = Bytes(info, 1);
  return Counted(info.Env(), pread(Fd(info), view.data, view.length, Integer(info, 2)));
}

Napi::Value Write(const Napi::CallbackInfo& info) {
  const View view = Bytes(info, 1);
  return Counted(info.Env(), write(Fd(info), view.data, view.length));
}

Napi::Value Poll(const Napi::CallbackInfo& info) {
  pollfd entry{Fd(info), static_cast<short>(Integer(info, 1)), 0};
  const int count = poll(&entry, 1, static_cast<int>(Integer(info, 2)));
  if (count < 0 && errno != EINTR) throw SystemError(info.Env(), errno, "poll");
  return Napi::Number::New(info.Env(), count > 0 ? entry.revents : 0);
}

void InstallKickHandler(const Napi::CallbackInfo& info) {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO;  // no SA_RESTART: the signal's whole work is to end KVM_RUN or a poll
  action.sa_sigaction = KickTimer::OnKick;
  Check(info.Env(), sigaction(KickSignal(), &action, nullptr), "sigaction");
}

Napi::Value Gettid(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(syscall(SYS_gettid)));
}

Napi::Value Kick(const Napi::CallbackInfo& info) {
  const long result = syscall(SYS_tgkill, getpid(), static_cast<pid_t>(Integer(info, 0)), KickSignal());
  if (result < 0 && errno != ESRCH) throw SystemError(info.Env(), errno, "tgkill");
  return Napi::Boolean::New(info.Env(), result == 0);
}

Napi::Value MakeKickTimer(const Napi::CallbackInfo& info) {
  const View page = Bytes(info, 0);
  if (page.length < sizeof(kvm_run)) throw Napi::RangeError::New(info.Env(), "no kvm_run");
  auto timer = std::make_shared<KickTimer>();
  Check(info.Env(), timer->Create(&reinterpret_cast<kvm_run*>(page.data)->immediate_exit), "timer_create");
  const auto set = [timer](const Napi::CallbackInfo& call) {
    Check(call.Env(), timer->Set(Integer(call, 0)), "timer_settime");
  };
  Napi::Function function = Napi::Function::New(info.Env(), set, "setKickTimer");
  function.Set(0u, info[0]);  // it keeps the page alive
  return function;
}

double Nanoseconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) * kNsPerSecond + static_cast<double>(time.tv_nsec);
}

Napi::Value MonotonicNs(const Napi::CallbackInfo& info) {
  timespec now = {};
  Check(info.Env(), clock_gettime(CLOCK_MONOTONIC, &now), "clock_gettime");
  return Napi::Number::New(info.Env(), Nanoseconds(now));
}

// The kernel's number of a thread's clock, which it finds by the thread's number (pthread_getcpuclockid of any thread).
clockid_t ThreadCpuClock(pid_t tid) {
  constexpr unsigned kCpuClockSched = 2, kCpuClockPerThread = 4;
  return static_cast<clockid_t>(~static_cast<unsigned>(tid) << 3 | kCpuClockPerThread | kCpuClockSched);
}

Napi::Value ThreadCpuNs(const Napi::CallbackInfo& info) {
  timespec time = {};
  const int result = clock_gettime(ThreadCpuClock(static_cast<pid_t>(Integer(info, 0))), &time);
  if (result < 0 && errno == EINVAL) return info.Env().Undefined();
  Check(info.Env(), result, "clock_gettime");
  return Napi::Number::New(info.Env(), Nanoseconds(time));
}

Napi::Value Rdtsc(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(__rdtsc()));
}

void ReleaseOwned(Napi::Env, Owned* owned) { delete owned; }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* owned = new Owned(env);
  env.SetInstanceData<Owned, ReleaseOwned>(owned);
  // Before the environment's buffers go; what is released is not released again with the instance data.
  napi_add_env_cleanup_hook(env, [](void* data) { static_cast<Owned*>(data)->Release(); }, owned);

  const auto add = [&](const char* name, auto function) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("open", Open);
  add("close", Close);
  add("ioctl", Ioctl);
  add("ioctlBuffer", IoctlBuffer);
  add("ioctlFd", IoctlFd);
  add("addressOf", AddressOf);
  add("mapOver", MapOver);
  add("unmapOver", UnmapOver);
  add("copy", Copy);
  add("madvise", Madvise);
  add("eventfd", Eventfd);
  add("read", Read);
  add("pread", Pread);
  add("write", Write);
  add("poll", Poll);
  add("installKickHandler", InstallKickHandler);
  add("gettid", Gettid);
  add("kick", Kick);
  add("makeKickTimer", MakeKickTimer);
  add("monotonicNs", MonotonicNs);
  add("threadCpuNs", ThreadCpuNs);
  add("rdtsc", Rdtsc);
  add("makeRun", MakeRun);
  add("makeRecordingRun", MakeRecordingRun);
  return exports;
}

}  // namespace

NODE_API_MODULE(vmlaunch, Init)
