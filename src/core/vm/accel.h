#ifndef CORE_VM_ACCEL_H
#define CORE_VM_ACCEL_H
/*
 * An accelerator: what runs the guest's processors. KVM is one, the software CPU another, the
 * tests' scripted one a third.
 *
 * An accelerator embeds struct accel (and each of its processors struct accel_vcpu) as first
 * member. It reaches memory and devices only through what accel_config names, and tells the outside
 * only through enum vcpu_exit.
 */
#include <stdint.h>

#include "core/vm/mem.h"

struct bus;
struct err;
struct irq_line;
struct vcpu_regs; /* the architecture's, e.g. core/x86/regs.h */
struct accel;
struct accel_vcpu;

#define VCPUS_MAX 32

struct accel_config {
    const struct mem *mem; /* all three outlive the accelerator */
    const struct bus *ports;
    const struct bus *mmio;
    unsigned vcpu_count; /* 1 to VCPUS_MAX */
};

/* Why a processor came back from run. */
enum vcpu_exit {
    VCPU_KICKED,       /* somebody asked for it; run again to go on */
    VCPU_TRIPLE_FAULT, /* the guest's fault: its processor gave up */
    VCPU_FAILED,       /* the accelerator could not go on; the log says why */
};

struct accel_ops {
    const char *name; /* "kvm", "emu" */

    /* Loop thread, while the machine is built. On failure nothing is left behind and the sentence
     * says what the operator can do about it. */
    int (*create)(const struct accel_config *config, struct accel **out, struct err *e);

    /* After every irq line is finished and every processor destroyed (vm.h has the order). */
    void (*destroy)(struct accel *a);

    /* Fills a line the caller owns; irq_finish before destroy, while no processor runs. A second
     * line on one gsi is -EEXIST. */
    int (*irq_init)(struct accel *a, struct irq_line *line, unsigned gsi, struct err *e);
    void (*irq_finish)(struct accel *a, struct irq_line *line);

    /* A guest store of `size` bytes with this value to this MMIO address writes the eventfd instead
     * of reaching the bus, without a return from run where the accelerator can. The caller keeps
     * the descriptor. */
    int (*doorbell_add)(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                        struct err *e);

    /* [gpa, gpa + len), which is RAM, was written by somebody who is not one of the processors, or
     * given back to the host: they may hold decoded code of it. Whatever the guest sees after the
     * call, an answer in a queue or an interrupt, it sees with the new bytes. Any thread but a
     * vCPU's; NULL where the hardware sees to it. */
    void (*memory_written)(struct accel *a, gpa_t gpa, uint64_t len);

    /* Processor `id`, 0 to vcpu_count - 1, in its architectural reset state: 0 boots, the others
     * wait to be started by the guest. */
    int (*vcpu_create)(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e);
};

struct accel_vcpu_ops {
    void (*destroy)(struct accel_vcpu *v);

    /* While that processor is not in run. */
    int (*regs_set)(struct accel_vcpu *v, const struct vcpu_regs *regs, struct err *e);
    int (*regs_get)(struct accel_vcpu *v, struct vcpu_regs *regs, struct err *e);

    /* That vCPU's thread, before its first run, or NULL: is this machine's processor one that a
     * guest can live on? 0 where it is; -EOPNOTSUPP with what it lacks, or does too slowly, as the
     * sentence. *mips is set, either way, once its speed is known: at least so many million
     * instructions of a guest's kernel a second. Uses the machine's memory below 1 MiB; that and
     * the processor are afterwards as before. A kick ends it. */
    int (*probe)(struct accel_vcpu *v, uint64_t *mips, struct err *e);

    /* That vCPU's thread. Runs the guest, its device accesses included, until there is one of the
     * reasons above. */
    enum vcpu_exit (*run)(struct accel_vcpu *v);

    /* Any thread; also from a signal handler. The present run, or else the next one, returns
     * VCPU_KICKED soon; a kick by the vCPU's own thread, in a device's access, behind the
     * instruction that made the access. The caller also sends the vCPU's thread a signal (vcpu.h),
     * so that a system call it sleeps in returns. */
    void (*kick)(struct accel_vcpu *v);
};

struct accel {
    const struct accel_ops *ops;
};

struct accel_vcpu {
    const struct accel_vcpu_ops *ops;
    unsigned id;
};

static inline void accel_memory_written(struct accel *a, gpa_t gpa, uint64_t len)
{
    if (a->ops->memory_written)
        a->ops->memory_written(a, gpa, len);
}

#endif
