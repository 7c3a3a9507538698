/* ACPI (6.4, chapter 5), as much as it takes to find the CPUs: RSDP → RSDT → MADT → its local APIC entries. */
#include "madt.h"

#define RSDT_HEADER_BYTES 36
#define MADT_HEADER_BYTES 44
#define MADT_LOCAL_APIC 0
#define LOCAL_APIC_ENABLED 1
#define MADT_SIGNATURE 0x43495041 /* "APIC" */

struct __attribute__((packed)) rsdp {
  char signature[8];
  uint8_t checksum;
  char oem_id[6];
  uint8_t revision;
  uint32_t rsdt_address;
};

struct __attribute__((packed)) table {
  uint32_t signature;
  uint32_t length;
};

struct __attribute__((packed)) local_apic {
  uint8_t type;
  uint8_t length;
  uint8_t processor;
  uint8_t id;
  uint32_t flags;
};

static const struct table *find_madt(uint64_t rsdp_address) {
  const struct table *rsdt = (const struct table *)(uint64_t)((const struct rsdp *)rsdp_address)->rsdt_address;
  for (uint32_t at = RSDT_HEADER_BYTES; at + 4 <= rsdt->length; at += 4) {
    const struct table *table = (const struct table *)(uint64_t) * (const uint32_t *)((const uint8_t *)rsdt + at);
    if (table->signature == MADT_SIGNATURE) return table;
  }
  return 0;
}

unsigned find_cpus(uint64_t rsdp_address, uint8_t *ids, unsigned most) {
  unsigned count = 0;
  const struct table *madt = rsdp_address == 0 ? 0 : find_madt(rsdp_address);
  if (madt == 0) return 0;
  for (uint32_t at = MADT_HEADER_BYTES; at + 2 <= madt->length;) {
    const struct local_apic *entry = (const struct local_apic *)((const uint8_t *)madt + at);
    if (entry->length < 2) break;
    const int is_cpu = entry->type == MADT_LOCAL_APIC && (entry->flags & LOCAL_APIC_ENABLED) != 0;
    if (is_cpu && count < most) ids[count++] = entry->id;
    at += entry->length;
  }
  return count;
}
