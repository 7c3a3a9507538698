/*
 * bench-exit IMAGE EXITS COLD: the yardstick of `vmlaunch bench exit`, the least that a monitor in C does for a guest
 * of OUT instructions. It makes the VM that src/bench/exit-round.ts makes, enters IMAGE in flat protected mode, takes
 * EXITS exits, and prints {"coldNs":…,"warmNs":…}: CLOCK_MONOTONIC for the first COLD exits and for the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RAM_BYTES (4u << 20)
#define LARGE_PAGE (2u << 20)
#define LOAD_ADDRESS 0x100000u
#define STACK_TOP 0x90000u
#define GDT_ADDRESS 0x90000u
#define GDT_LIMIT 0x1f
#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18
#define KVM_TSS_BASE 0xfffbd000ul
#define KVM_IDENTITY_MAP_BASE 0xfffbc000ul
#define POST_CODE_PORT 0x80
#define MAX_CPUID_ENTRIES 256
/* SDM volume 3, 2.5; volume 1, 3.4.3; volume 3, table 3-1 */
#define CR0_PE_ET 0x11
#define RFLAGS_RESERVED 2
#define TYPE_CODE_READ_ACCESSED 11
#define TYPE_DATA_WRITE_ACCESSED 3

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void refuse(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static int check(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	check(clock_gettime(CLOCK_MONOTONIC, &t), "clock_gettime");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* RAM aligned to large pages, as src/memory/ram.ts makes it. */
static uint8_t *make_ram(void)
{
	uint8_t *all = mmap(NULL, RAM_BYTES + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		fail("mmap");
	return all + (-(uintptr_t)all & (LARGE_PAGE - 1));
}

static void load(const char *path, uint8_t *ram)
{
	static const uint64_t gdt[] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
	memcpy(ram + GDT_ADDRESS, gdt, sizeof gdt);
	int fd = check(open(path, O_RDONLY | O_CLOEXEC), path);
	ssize_t length = read(fd, ram + LOAD_ADDRESS, RAM_BYTES - LOAD_ADDRESS);
	if (length < 0)
		fail(path);
	if (length == 0)
		refuse("the image is empty");
	close(fd);
}

static int make_vm(int kvm, uint8_t *ram)
{
	int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	uint64_t identity_map = KVM_IDENTITY_MAP_BASE;
	check(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
	check(ioctl(vm, KVM_SET_TSS_ADDR, KVM_TSS_BASE), "KVM_SET_TSS_ADDR");
	struct kvm_userspace_memory_region region = { .memory_size = RAM_BYTES, .userspace_addr = (uintptr_t)ram };
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	check(ioctl(vm, KVM_CREATE_IRQCHIP), "KVM_CREATE_IRQCHIP");
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	check(ioctl(vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	return vm;
}

static void set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof *cpuid + MAX_CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));
	if (cpuid == NULL)
		fail("calloc");
	cpuid->nent = MAX_CPUID_ENTRIES;
	check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

static void enter_protected(int vcpu)
{
	struct kvm_segment code = { .limit = 0xffffffff, .selector = CODE_SELECTOR, .type = TYPE_CODE_READ_ACCESSED,
				    .present = 1, .db = 1, .s = 1, .g = 1 };
	struct kvm_segment data = code;
	data.selector = DATA_SELECTOR;
	data.type = TYPE_DATA_WRITE_ACCESSED;
	struct kvm_sregs sregs;
	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = GDT_ADDRESS;
	sregs.gdt.limit = GDT_LIMIT;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_PE_ET;
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	struct kvm_regs regs = { .rip = LOAD_ADDRESS, .rsp = STACK_TOP, .rflags = RFLAGS_RESERVED };
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* What the guest's bytes go to: kept from the optimizer, as a device's state is. */
static volatile uint8_t post_code;

/* Takes `count` exits. */
static void run(int vcpu, struct kvm_run *page, long count)
{
	for (long done = 0; done < count;) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			fail("KVM_RUN");
		}
		switch (page->exit_reason) {
		case KVM_EXIT_IO:
			if (page->io.direction != KVM_EXIT_IO_OUT || page->io.port != POST_CODE_PORT ||
			    page->io.size != 1 || page->io.count != 1)
				refuse("the guest does other I/O than OUT to port 0x80");
			post_code = ((uint8_t *)page)[page->io.data_offset];
			done++;
			break;
		case KVM_EXIT_INTR:
			break;
		default:
			fprintf(stderr, "exit reason %u\n", page->exit_reason);
			exit(1);
		}
	}
}

static long positive(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (*end != '\0' || value <= 0)
		refuse("EXITS and COLD are positive numbers");
	return value;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		refuse("usage: bench-exit IMAGE EXITS COLD");
	long exits = positive(argv[2]);
	long cold = positive(argv[3]);
	if (cold >= exits)
		refuse("EXITS must be more than COLD");
	int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	uint8_t *ram = make_ram();
	load(argv[1], ram);
	int vm = make_vm(kvm, ram);
	int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int page_bytes = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *page = mmap(NULL, (size_t)page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (page == MAP_FAILED)
		fail("mmap of the vCPU");
	set_cpuid(kvm, vcpu);
	enter_protected(vcpu);

	uint64_t start = now_ns();
	run(vcpu, page, cold);
	uint64_t middle = now_ns();
	run(vcpu, page, exits - cold);
	uint64_t end = now_ns();
	printf("{\"coldNs\":%llu,\"warmNs\":%llu}\n", (unsigned long long)(middle - start),
	       (unsigned long long)(end - middle));
	return 0;
}
