#include "recorder.h"

#include <sys/ioctl.h>
#include <x86intrin.h>

#include <cstring>

namespace {

// A place counts as new again after so many exits there.
constexpr uint32_t kPlaceUses = 4096;
// A stack of a ring or of a task; a call deeper is no other place.
constexpr int kStackBits = 14;

}  // namespace

int Recorder::Run() {
  ExitRecord* open = header_->open != 0 ? &At(header_->head) : nullptr;
  if (open != nullptr) KeepData(*open);
  const auto entered = static_cast<double>(__rdtsc());
  if (open != nullptr) {
    open->handled = entered;
    header_->open = 0;
    __atomic_store_n(&header_->head, header_->head + 1, __ATOMIC_RELEASE);
  }
  if (!interrupted_) header_->entered = entered;
  const int result = ioctl(fd_, KVM_RUN, 0);
  const auto returned = static_cast<double>(__rdtsc());
  *ticks_ += returned - entered;
  interrupted_ = result != 0;
  if (result == 0) Record(returned);
  return result;
}

void Recorder::Record(double returned) {
  const double number = header_->exits;
  header_->exits = number + 1;
  if (header_->head - __atomic_load_n(&header_->tail, __ATOMIC_ACQUIRE) == capacity_) {
    header_->lost += 1;
    return;
  }
  ExitRecord& record = At(header_->head);
  record.entered = header_->entered;
  record.returned = returned;
  record.number = static_cast<uint32_t>(static_cast<uint64_t>(number));
  record.reason = run_->exit_reason;
  memcpy(record.exit, &run_->hw, sizeof record.exit);
  record.rip = run_->s.regs.regs.rip;
  record.rcx = run_->s.regs.regs.rcx;
  record.newPlace = 0;
  if (IsNewPlace()) KeepPlace(record);
  header_->open = 1;
}

bool Recorder::IsNewPlace() {
  const uint64_t rip = run_->s.regs.regs.rip;
  const uint64_t stack = run_->s.regs.regs.rsp >> kStackBits;
  Place& place = places_[(rip ^ stack) % places_.size()];
  if (place.usesLeft > 0 && place.rip == rip && place.stack == stack) {
    place.usesLeft--;
    return false;
  }
  place = {rip, stack, kPlaceUses};
  return true;
}

void Recorder::KeepPlace(ExitRecord& record) const {
  kvm_sregs sregs = {};
  if (ioctl(fd_, KVM_GET_SREGS, &sregs) != 0) return;
  record.newPlace = 1;
  record.csL = sregs.cs.l;
  record.csDb = sregs.cs.db;
  record.ssDpl = sregs.ss.dpl;
  record.csBase = static_cast<uint32_t>(sregs.cs.base);
  record.cr3 = sregs.cr3;
  record.cr0 = static_cast<uint32_t>(sregs.cr0);
  record.cr4 = static_cast<uint32_t>(sregs.cr4);
  record.efer = static_cast<uint32_t>(sregs.efer);
}

void Recorder::KeepData(ExitRecord& record) const {
  const uint8_t* from = run_->mmio.data;
  if (record.reason == KVM_EXIT_IO) {
    const uint64_t offset = run_->io.data_offset;
    if (offset > runSize_ - sizeof record.data) return;
    from = reinterpret_cast<const uint8_t*>(run_) + offset;
  }
  memcpy(record.data, from, sizeof record.data);
}
