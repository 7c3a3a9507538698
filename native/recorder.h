// Records the exits of a vCPU as they come: time stamps and what kvm_run says, as it is, into a ring in shared memory.
// What it means is read elsewhere (src/machine/exit-ring.ts, which has the same layout).
#pragma once

#include <linux/kvm.h>

#include <array>
#include <cstddef>
#include <cstdint>

// One writer, which never waits, and one reader. `head` and `tail` count records modulo 2^32.
struct RingHeader {
  uint32_t head;
  uint32_t tail;
  uint32_t open;  // 1: the record at `head` is that of the last exit, and not complete
  uint32_t reserved;
  double exits;  // so far, lost ones too
  double lost;   // came while the ring was full
  double entered;  // the TSC before the KVM_RUN that goes on; where it was interrupted, before the first one
  double ended;  // when there was no more of it; written by whoever ends it
  uint8_t padding[16];
};

struct ExitRecord {
  double entered;  // the TSC before KVM_RUN; where it was interrupted, before the first one
  double returned;
  double handled;  // when KVM_RUN was called again
  uint32_t number;
  uint32_t reason;
  uint8_t exit[32];  // the beginning of kvm_run's union
  uint64_t rip;
  uint64_t rcx;
  uint8_t data[8];  // of port or MMIO, as it is after the exit was handled
  // Where the guest's code is, at an instruction (on a stack) not seen lately; else `newPlace` is 0.
  uint8_t newPlace;
  uint8_t csL;
  uint8_t csDb;
  uint8_t ssDpl;
  uint32_t csBase;
  uint64_t cr3;
  uint32_t cr0;
  uint32_t cr4;
  uint32_t efer;
  uint8_t reserved[12];
};

static_assert(sizeof(RingHeader) == 64 && sizeof(ExitRecord) == 128, "src/machine/exit-ring.ts has the same layout");

class Recorder {
 public:
  // `ring` holds a header and a power of two of records; `runSize`: bytes of the vCPU's mapping.
  // `ticks`: the TSC ticks inside KVM_RUN are added there.
  Recorder(int vcpuFd, const kvm_run* run, size_t runSize, uint8_t* ring, size_t ringSize, double* ticks)
      : fd_(vcpuFd),
        ticks_(ticks),
        run_(run),
        runSize_(runSize),
        header_(reinterpret_cast<RingHeader*>(ring)),
        records_(reinterpret_cast<ExitRecord*>(ring + sizeof(RingHeader))),
        capacity_(static_cast<uint32_t>((ringSize - sizeof(RingHeader)) / sizeof(ExitRecord))) {}

  // KVM_RUN. Returns its result, and leaves its errno.
  int Run();

 private:
  struct Place {
    uint64_t rip;
    uint64_t stack;
    uint32_t usesLeft;
  };

  void KeepData(ExitRecord& record) const;
  void Record(double returned);
  bool IsNewPlace();
  void KeepPlace(ExitRecord& record) const;
  ExitRecord& At(uint32_t position) { return records_[position & (capacity_ - 1)]; }

  int fd_;
  double* ticks_;
  const kvm_run* run_;
  size_t runSize_;
  RingHeader* header_;
  ExitRecord* records_;
  uint32_t capacity_;
  bool interrupted_ = false;
  std::array<Place, 1024> places_{};
};
