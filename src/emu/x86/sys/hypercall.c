/* Hypercalls: the dispatch, and the pairing of the guest's TSC with the wall clock. */
#include "emu/x86/sys/hypercall.h"

#include <stdint.h>
#include <time.h>

#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/time/tsc.h"

enum {
    HC_VAPIC_POLL_IRQ = 1,
    HC_CLOCK_PAIRING = 9,
};

/* KVM's own numbers for errors. */
#define KVM_EPERM      1
#define KVM_EFAULT     14
#define KVM_EOPNOTSUPP 95
#define KVM_ENOSYS     1000

#define PAIR_WITH_WALL_CLOCK 0u

struct clock_pairing {
    int64_t sec;
    int64_t nsec;
    uint64_t tsc; /* the guest's, at that time */
    uint32_t flags;
    uint32_t pad[9];
};

_Static_assert(sizeof(struct clock_pairing) == 64, "kvm_clock_pairing layout");

#define PAIRING_TRIES 4 /* the host may schedule another thread between two reads */

/* Reads the host's clock between two reads of the guest's TSC, a few times, and keeps the try in
 * which those two were closest. */
static void clock_pair_take(const struct cpu *c, struct clock_pairing *p)
{
    uint64_t nearest = UINT64_MAX;

    for (unsigned i = 0; i < PAIRING_TRIES; i++) {
        struct timespec now;
        uint64_t before = tsc_guest(c);
        uint64_t taken;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        taken = tsc_guest(c) - before;
        if (taken >= nearest)
            continue;
        nearest = taken;
        *p = (struct clock_pairing){ .sec = now.tv_sec,
                                     .nsec = now.tv_nsec,
                                     .tsc = before + taken / 2 };
    }
}

static int64_t hypercall_clock_pairing(struct cpu *c, uint64_t to, uint64_t clock)
{
    struct clock_pairing p;

    if (clock != PAIR_WITH_WALL_CLOCK)
        return -KVM_EOPNOTSUPP;
    clock_pair_take(c, &p);
    return mem_write(c->emu->mem, to, &p, sizeof(p)) ? 0 : -KVM_EFAULT;
}

static int64_t hypercall_answer(struct cpu *c, uint64_t width)
{
    if (c->cpl != 0)
        return -KVM_EPERM;
    switch (c->gpr[X86_RAX] & width) {
    case HC_VAPIC_POLL_IRQ: /* its only purpose is the exit itself */
        return 0;
    case HC_CLOCK_PAIRING:
        return hypercall_clock_pairing(c, c->gpr[X86_RBX] & width, c->gpr[X86_RCX] & width);
    default:
        return -KVM_ENOSYS;
    }
}

void hypercall(struct cpu *c)
{
    uint64_t width = c->mode & MODE_64 ? UINT64_MAX : UINT32_MAX;

    c->gpr[X86_RAX] = (uint64_t)hypercall_answer(c, width) & width;
}
