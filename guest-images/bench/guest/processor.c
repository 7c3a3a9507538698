/* What the processor is and can do (SDM 2A, CPUID). */
#include "bench/guest/guest.h"

#define CR0_MP (1ul << 1)
#define CR0_EM (1ul << 2)
#define CR0_TS (1ul << 3)
#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define EDX_APIC (1u << 9)
#define EDX_SSE2 (1u << 26)
#define ECX_HYPERVISOR (1u << 31)
/* Linux, Documentation/virt/kvm/x86/cpuid.rst: "KVMKVMKVM" in three registers. */
#define KVM_SIGNATURE 0x40000000
#define KVM_EBX 0x4b4d564b
#define KVM_ECX 0x564b4d56
#define KVM_EDX 0x4d

struct leaf {
  uint32_t eax, ebx, ecx, edx;
};

static inline struct leaf cpuid(uint32_t number) {
  struct leaf leaf;
  asm volatile("cpuid" : "=a"(leaf.eax), "=b"(leaf.ebx), "=c"(leaf.ecx), "=d"(leaf.edx) : "a"(number), "c"(0));
  return leaf;
}

bool has_sse2(void) { return (cpuid(1).edx & EDX_SSE2) != 0; }

bool has_local_apic(void) { return (cpuid(1).edx & EDX_APIC) != 0; }

/* Without an operating system's word SSE instructions are invalid (SDM 3A, 13.1). */
void setup_sse(void) {
  uintptr_t cr0, cr4;
  if (!has_sse2()) return;
  asm volatile("mov %%cr0, %0" : "=r"(cr0));
  asm volatile("mov %%cr4, %0" : "=r"(cr4));
  asm volatile("mov %0, %%cr0" : : "r"((cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP));
  asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT));
}

void read_vendor(char vendor[13]) {
  const struct leaf leaf = cpuid(0);
  const uint32_t parts[] = {leaf.ebx, leaf.edx, leaf.ecx};
  for (unsigned i = 0; i < 12; i++) vendor[i] = (char)(parts[i / 4] >> i % 4 * 8);
  vendor[12] = '\0';
}

enum hypercalls hypercalls(void) {
  if ((cpuid(1).ecx & ECX_HYPERVISOR) == 0) return NO_HYPERCALLS;
  const struct leaf kvm = cpuid(KVM_SIGNATURE);
  if (kvm.ebx != KVM_EBX || kvm.ecx != KVM_ECX || kvm.edx != KVM_EDX) return NO_HYPERCALLS;
  char vendor[13];
  read_vendor(vendor);
  return vendor[0] == 'G' ? VMCALL : VMMCALL; /* GenuineIntel, or AuthenticAMD and HygonGenuine */
}
