/*
 * The floor of a machine monitor: how long it takes to start a process, build a machine, enter a
 * guest that ends at its first instruction, and be gone again.
 *
 *   bench-vmm_floor [-n RUNS] MOTE QEMU
 *
 * The guest is an ELF with a PVH note whose entry is ud2; without a handler for it the processor
 * shuts down. Each round runs every contestant once, so that whatever else the host does meets all
 * of them, and each figure is the median of the rounds.
 *
 * Beside them stands what no monitor can save: the bare sequence of KVM calls for the same guest,
 * in a forked child with nothing around it, in total and call by call. The time until that child is
 * gone, in which the kernel takes the machine down, is a figure of its own; mote does not wait for
 * that (src/core/kvm/kvm_keeper.h).
 */
#include <asm/kvm.h>
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"

#define RUNS_MAX  1000
#define RAM_BYTES (128u << 20)
#define LOAD_AT   0x100000u

extern char **environ;

_Noreturn static void die(const char *what)
{
    (void)fprintf(stderr, "vmm_floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The guest, as a file. */

static const uint8_t guest_code[] = { 0x0f, 0x0b }; /* ud2 */

struct guest_file {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Nhdr note;
    char owner[4];
    uint64_t entry;
    uint8_t code[sizeof(guest_code)];
};

static_assert(offsetof(struct guest_file, entry) - offsetof(struct guest_file, note) == 16,
              "the note has no holes");

static char guest_path[] = "/tmp/vmm_floor.XXXXXX";

static void guest_remove(void)
{
    (void)unlink(guest_path);
}

static void guest_create(void)
{
    struct guest_file g = {
        .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                 EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_entry = LOAD_AT,
                    .e_phoff = offsetof(struct guest_file, segments),
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 2 },
        .segments = { { .p_type = PT_LOAD,
                        .p_flags = PF_R | PF_X,
                        .p_offset = offsetof(struct guest_file, code),
                        .p_vaddr = LOAD_AT,
                        .p_paddr = LOAD_AT,
                        .p_filesz = sizeof(guest_code),
                        .p_memsz = sizeof(guest_code) },
                      { .p_type = PT_NOTE,
                        .p_offset = offsetof(struct guest_file, note),
                        .p_filesz = 24,
                        .p_memsz = 24,
                        .p_align = 4 } },
        .note = { .n_namesz = 4, .n_descsz = 8, .n_type = 18 /* physical entry point */ },
        .owner = "Xen",
        .entry = LOAD_AT,
    };

    memcpy(g.code, guest_code, sizeof(guest_code));
    int fd = mkostemp(guest_path, O_CLOEXEC);
    if (fd < 0)
        die(guest_path);
    (void)atexit(guest_remove);
    if (write(fd, &g, sizeof(g)) != sizeof(g) || close(fd) < 0)
        die(guest_path);
}

/* The bare KVM calls, in the order any monitor needs them. */

struct floor {
    uint8_t *ram;
    int device, vm, vcpu, run_size;
    struct kvm_run *run;
    struct kvm_cpuid2 *cpuid;
};

static int floor_open(struct floor *f)
{
    return f->device = open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

static int floor_vm(struct floor *f)
{
    return f->vm = ioctl(f->device, KVM_CREATE_VM, 0);
}

static int floor_memory(struct floor *f)
{
    f->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->ram == MAP_FAILED)
        return -1;
    memcpy(f->ram + LOAD_AT, guest_code, sizeof(guest_code));
    struct kvm_userspace_memory_region slot = { .memory_size = RAM_BYTES,
                                                .userspace_addr = (uintptr_t)f->ram };
    return ioctl(f->vm, KVM_SET_USER_MEMORY_REGION, &slot);
}

static int floor_tss(struct floor *f)
{
    const uint64_t identity = 0xfffbc000;

    if (ioctl(f->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
        return -1;
    return ioctl(f->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
}

static int floor_irqchip(struct floor *f)
{
    return ioctl(f->vm, KVM_CREATE_IRQCHIP, 0);
}

static int floor_pit(struct floor *f)
{
    const struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

    return ioctl(f->vm, KVM_CREATE_PIT2, &pit);
}

static int floor_offer(struct floor *f)
{
    f->cpuid->nent = 256;
    return ioctl(f->device, KVM_GET_SUPPORTED_CPUID, f->cpuid);
}

static int floor_vcpu(struct floor *f)
{
    return f->vcpu = ioctl(f->vm, KVM_CREATE_VCPU, 0);
}

static int floor_map(struct floor *f)
{
    f->run_size = ioctl(f->device, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (f->run_size < 0)
        return -1;
    f->run = mmap(NULL, (size_t)f->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, f->vcpu, 0);
    return f->run == MAP_FAILED ? -1 : 0;
}

static int floor_cpuid(struct floor *f)
{
    return ioctl(f->vcpu, KVM_SET_CPUID2, f->cpuid);
}

static int floor_registers(struct floor *f)
{
    struct kvm_regs regs = { .rip = LOAD_AT, .rflags = 2 };
    struct kvm_sregs sregs;

    if (ioctl(f->vcpu, KVM_GET_SREGS, &sregs) < 0)
        return -1;
    sregs.cs = (struct kvm_segment){
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1
    };
    sregs.ds = sregs.es = sregs.ss = (struct kvm_segment){
        .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1
    };
    sregs.idt = (struct kvm_dtable){ 0 };
    sregs.cr0 |= 1;
    if (ioctl(f->vcpu, KVM_SET_SREGS, &sregs) < 0)
        return -1;
    return ioctl(f->vcpu, KVM_SET_REGS, &regs);
}

static int floor_run(struct floor *f)
{
    if (ioctl(f->vcpu, KVM_RUN, 0) < 0)
        return -1;
    errno = EIO;
    return f->run->exit_reason == KVM_EXIT_SHUTDOWN ? 0 : -1;
}

static const struct {
    const char *name;
    int (*call)(struct floor *f);
} steps[] = {
    { "open /dev/kvm", floor_open },
    { "KVM_CREATE_VM", floor_vm },
    { "memory and its slot", floor_memory },
    { "TSS and identity map", floor_tss },
    { "KVM_CREATE_IRQCHIP", floor_irqchip },
    { "KVM_CREATE_PIT2", floor_pit },
    { "KVM_GET_SUPPORTED_CPUID", floor_offer },
    { "KVM_CREATE_VCPU", floor_vcpu },
    { "mapping struct kvm_run", floor_map },
    { "KVM_SET_CPUID2", floor_cpuid },
    { "registers", floor_registers },
    { "KVM_RUN until it ends", floor_run },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void floor_child(uint64_t *took)
{
    struct floor f = { .device = -1 };

    f.cpuid = calloc(1, sizeof(*f.cpuid) + 256 * sizeof(f.cpuid->entries[0]));
    if (!f.cpuid)
        die("calloc");
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t start = clock_now_ns();
        if (steps[i].call(&f) < 0)
            die(steps[i].name);
        took[i] = clock_now_ns() - start;
    }
    _exit(0);
}

/* Measuring. */

enum { MOTE, QEMU, VERSION, FLOOR, DOWN, FLOOR_STEP, SERIES = FLOOR_STEP + STEPS };

static uint64_t samples[SERIES][RUNS_MAX];

/* Returns the time from `start`, before the fork, until the parent has seen the child's end. */
static uint64_t wait_since(uint64_t start, pid_t child, const char *name, int wanted)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        die("waitpid");
    uint64_t took = clock_now_ns() - start;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted) {
        (void)fprintf(stderr, "vmm_floor: %s ended with status %#x instead of %d\n", name,
                      (unsigned)status, wanted);
        exit(1);
    }
    return took;
}

static uint64_t run_command(char *const argv[], bool quiet, int wanted)
{
    posix_spawn_file_actions_t files;
    pid_t child;

    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    if (quiet)
        (void)posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    uint64_t start = clock_now_ns();
    errno = posix_spawnp(&child, argv[0], &files, NULL, argv, environ);
    if (errno)
        die(argv[0]);
    uint64_t took = wait_since(start, child, argv[0], wanted);
    (void)posix_spawn_file_actions_destroy(&files);
    return took;
}

static void run_floor(uint64_t *took, unsigned round)
{
    uint64_t start = clock_now_ns(), calls = 0;
    pid_t child = fork();

    if (child == 0)
        floor_child(took);
    if (child < 0)
        die("fork");
    samples[DOWN][round] = wait_since(start, child, "the bare sequence", 0);
    for (size_t i = 0; i < STEPS; i++) {
        samples[FLOOR_STEP + i][round] = took[i];
        calls += took[i];
    }
    samples[FLOOR][round] = calls;
    samples[DOWN][round] -= calls;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double median_ms(unsigned series, unsigned runs)
{
    qsort(samples[series], runs, sizeof(samples[0][0]), compare);
    return (double)samples[series][runs / 2] / 1e6;
}

static void report(unsigned runs)
{
    double mote = median_ms(MOTE, runs), qemu = median_ms(QEMU, runs);
    double floor = median_ms(FLOOR, runs);

    (void)printf("start to exit, %u MiB guest that ends at its first instruction; median of %u "
                 "interleaved runs\n",
                 RAM_BYTES >> 20, runs);
    (void)printf("%-28s %9.3f ms\n", "mote", mote);
    (void)printf("%-28s %9.3f ms\n", "QEMU microvm", qemu);
    (void)printf("%-28s %9.1f\n", "QEMU / mote", qemu / mote);
    (void)printf("%-28s %9.3f ms\n", "mote --version", median_ms(VERSION, runs));
    (void)printf("%-28s %9.3f ms\n", "the bare KVM calls", floor);
    (void)printf("%-28s %9.0f %%\n", "their share of mote's time", 100 * floor / mote);
    for (unsigned i = 0; i < STEPS; i++)
        (void)printf("    %-24s %9.3f ms\n", steps[i].name, median_ms(FLOOR_STEP + i, runs));
    (void)printf("%-28s %9.3f ms\n", "fork, exit, taking it down", median_ms(DOWN, runs));
}

static void measure(char *mote, char *qemu, unsigned runs)
{
    char *const mote_argv[] = { mote,  "run",   "--kernel", guest_path, "--accel",
                                "kvm", "--mem", "128M",     NULL };
    char *const version_argv[] = { mote, "--version", NULL };
    /* As lean as QEMU's own documentation makes it. */
    char *const qemu_argv[] = { qemu,
                                "-M",
                                "microvm,x-option-roms=off,pit=off,pic=off,rtc=off,isa-serial=off",
                                "-accel",
                                "kvm",
                                "-cpu",
                                "host,-arch-capabilities", /* an MSR that nested KVMs refuse */
                                "-m",
                                "128M",
                                "-no-reboot",
                                "-no-user-config",
                                "-nodefaults",
                                "-display",
                                "none",
                                "-kernel",
                                guest_path,
                                NULL };
    uint64_t *took = mmap(NULL, STEPS * sizeof(*took), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (took == MAP_FAILED)
        die("mmap");
    for (unsigned i = 0; i < runs; i++) {
        samples[MOTE][i] = run_command(mote_argv, true, 1);
        samples[QEMU][i] = run_command(qemu_argv, false, 0);
        samples[VERSION][i] = run_command(version_argv, false, 0);
        run_floor(took, i);
    }
}

int main(int argc, char **argv)
{
    int option, runs = 21;

    while ((option = getopt(argc, argv, "n:")) == 'n')
        runs = atoi(optarg);
    if (option != -1 || argc - optind != 2 || runs < 1 || runs > RUNS_MAX) {
        (void)fprintf(stderr, "usage: %s [-n RUNS] MOTE QEMU\n", argv[0]);
        return 2;
    }
    guest_create();
    measure(argv[optind], argv[optind + 1], (unsigned)runs);
    report((unsigned)runs);
    return 0;
}
