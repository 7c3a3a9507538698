// The kick signal, and a POSIX timer that sends it to the thread which made the timer.

#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

inline int KickSignal() { return SIGRTMIN + 2; }

class KickTimer {
 public:
  KickTimer() = default;
  KickTimer(const KickTimer&) = delete;
  KickTimer& operator=(const KickTimer&) = delete;
  ~KickTimer() {
    if (created_) timer_delete(timer_);
  }

  // Returns -1 and sets errno on failure. `immediate_exit`: of the vCPU's kvm_run.
  int Create(uint8_t* immediate_exit) {
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = KickSignal();
    event.sigev_value.sival_ptr = immediate_exit;
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    const int result = timer_create(CLOCK_MONOTONIC, &event, &timer_);
    created_ = result == 0;
    return result;
  }

  // One expiry in so many nanoseconds, in place of one that is due. Returns -1 and sets errno on failure.
  int Set(int64_t ns) {
    constexpr int64_t kSecond = 1'000'000'000;
    itimerspec spec = {};
    spec.it_value = {ns / kSecond, ns % kSecond};
    return timer_settime(timer_, 0, &spec, nullptr);
  }

  // The signal's handler. A timer's may come before KVM_RUN is entered, which then must not stay.
  static void OnKick(int, siginfo_t* info, void*) {
    if (info->si_code == SI_TIMER) *static_cast<volatile uint8_t*>(info->si_value.sival_ptr) = 1;
  }

 private:
  timer_t timer_{};
  bool created_ = false;
};
