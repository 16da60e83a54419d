#ifndef CORE_VM_ACCEL_H
#define CORE_VM_ACCEL_H
/*
 * An accelerator: what runs the guest's processors. KVM is one, the software CPU another, and the
 * tests have a scripted one.
 *
 * An accelerator embeds struct accel as its first member, and each of its processors embeds struct
 * accel_vcpu. It reaches memory and devices only through what accel_config names, and reports to
 * its caller only through enum vcpu_exit.
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
    /* Memory and buses outlive the accelerator. */
    const struct mem *mem;
    const struct bus *ports;
    const struct bus *mmio;
    unsigned vcpu_count; /* 1 to VCPUS_MAX */
};

/* Why a processor came back from run. */
enum vcpu_exit {
    VCPU_KICKED,       /* kick was called; the guest goes on with the next run */
    VCPU_TRIPLE_FAULT, /* the guest's own doing: its processor shut down */
    VCPU_FAILED,       /* the accelerator could not go on; the log says why */
};

struct accel_ops {
    const char *name; /* "kvm", "emu" */

    /* The name (guest_arch.h) of the guest architecture whose processors it runs. NULL: it runs
     * those of any, like the tests' scripted accelerator. */
    const char *guest;

    /* Loop thread, while the machine is built. A failure leaves nothing behind, and its sentence
     * says what the operator can do about it. */
    int (*create)(const struct accel_config *config, struct accel **out, struct err *e);

    /* After every irq line is finished and every processor destroyed (vm.h has the order). */
    void (*destroy)(struct accel *a);

    /* irq_init fills in a line that the caller owns. The caller finishes each line before destroy,
     * while no processor runs. -EEXIST: there is a line on this gsi already. */
    int (*irq_init)(struct accel *a, struct irq_line *line, unsigned gsi, struct err *e);
    void (*irq_finish)(struct accel *a, struct irq_line *line);

    /* From now on a guest store of `size` bytes with this value to this MMIO address writes the
     * eventfd instead of reaching the bus; on KVM the kernel does that itself. The descriptor stays
     * the caller's, who must not close it while a processor runs. */
    int (*doorbell_add)(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                        struct err *e);

    /* Call after something other than the processors has written [gpa, gpa + len), which is RAM, or
     * has given it back to the host, because the processors may hold decoded code of it. Call it
     * before the guest can learn of the write (from a used ring, an interrupt): the guest then
     * executes the new bytes. Any thread but a vCPU's. NULL where the hardware takes care of
     * this. */
    void (*memory_written)(struct accel *a, gpa_t gpa, uint64_t len);

    /* Creates processor `id`, 0 to vcpu_count - 1, in its architectural reset state. Processor 0
     * boots; the others wait until the guest starts them. */
    int (*vcpu_create)(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e);
};

struct accel_vcpu_ops {
    void (*destroy)(struct accel_vcpu *v);

    /* Only while that processor is not in run. */
    int (*regs_set)(struct accel_vcpu *v, const struct vcpu_regs *regs, struct err *e);
    int (*regs_get)(struct accel_vcpu *v, struct vcpu_regs *regs, struct err *e);

    /* Or NULL. That vCPU's thread, before its first run. Tests whether a guest can run on this
     * processor. Returns 0 if so, else -EOPNOTSUPP with a sentence that says what the processor
     * lacks or does too slowly. *mips is set once the speed is known, even if the probe then fails:
     * the processor executes at least that many million instructions of a guest's kernel a second.
     * The probe uses guest memory below 1 MiB, and leaves memory and processor as they were. A kick
     * ends it. */
    int (*probe)(struct accel_vcpu *v, uint64_t *mips, struct err *e);

    /* That vCPU's thread. Runs the guest, device accesses included, until one of the reasons above
     * applies. */
    enum vcpu_exit (*run)(struct accel_vcpu *v);

    /* Any thread, also in a signal handler. The present run, or else the next one, returns
     * VCPU_KICKED soon. When the vCPU's own thread kicks, from inside a device access, run returns
     * right after the instruction that made the access. The caller also sends the vCPU's thread a
     * signal (vcpu.h), so that a system call in which it sleeps returns. */
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
