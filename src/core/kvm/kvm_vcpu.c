/*
 * A processor on KVM: its life and the run loop.
 *
 * Stopping one is the protocol that KVM calls immediate exit. A kick sets run->immediate_exit,
 * which KVM looks at when it is entered, and the caller's signal ends a KVM_RUN that has been
 * entered already; so a kick at any moment ends the present run or the next one, and none is lost
 * between a check and the system call. The loop looks at the flag only behind KVM_RUN, which first
 * completes the access that was served, then fails with EINTR: only then is the processor's state
 * whole. Without the flag it was somebody else's signal, or work that the kernel had for the
 * thread. The flag is cleared before VCPU_KICKED is returned, so that the caller looks at what is
 * wanted after that, and a kick that comes in between costs one early return.
 */
#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/kvm/kvm_internal.h"
#include "core/log/log.h"

static void vcpu_destroy(struct accel_vcpu *a)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)a;

    if (!v)
        return;
    if (v->run)
        (void)munmap(v->run, v->kvm->run_size);
    if (v->fd >= 0)
        (void)close(v->fd);
    free(v);
}

static void vcpu_kick(struct accel_vcpu *a)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)a;

    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

static bool is_kicked(const struct kvm_vcpu *v)
{
    return __atomic_load_n(&v->run->immediate_exit, __ATOMIC_SEQ_CST);
}

static enum vcpu_exit kicked(struct kvm_vcpu *v)
{
    __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    return VCPU_KICKED;
}

static void log_end(const struct kvm_vcpu *v, const struct err *e)
{
    log_error("vCPU %u at %#llx: %s", v->vcpu.id, (unsigned long long)kvm_arch_pc(v), e->text);
}

static enum vcpu_exit vcpu_run(struct accel_vcpu *a)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)a;
    struct err e = { "" };
    enum vcpu_exit why = VCPU_FAILED;

    for (;;) {
        if (ioctl(v->fd, KVM_RUN, 0) == 0) {
            if (kvm_exit_serve(&v->kvm->config, v->run, &why, &e))
                continue;
            break;
        }
        if (errno == EAGAIN) /* a waiting processor was woken, not yet started */
            continue;
        if (errno == EINTR && !is_kicked(v))
            continue;
        if (errno == EINTR)
            return kicked(v);
        kvm_exit_failed(errno, &e);
        break;
    }
    if (why == VCPU_KICKED)
        return kicked(v);
    if (e.text[0])
        log_end(v, &e);
    return why;
}

static const struct accel_vcpu_ops vcpu_ops = {
    .destroy = vcpu_destroy,
    .regs_set = kvm_arch_regs_set,
    .regs_get = kvm_arch_regs_get,
    .probe = kvm_arch_probe,
    .run = vcpu_run,
    .kick = vcpu_kick,
};

static int vcpu_open(struct kvm_vcpu *v, struct err *e)
{
    v->fd = ioctl(v->kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)v->vcpu.id);
    if (v->fd < 0)
        return err_sys(e, "KVM cannot create vCPU %u", v->vcpu.id);
    void *run = mmap(NULL, v->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (run == MAP_FAILED)
        return err_sys(e, "vCPU %u's exchange area cannot be mapped", v->vcpu.id);
    v->run = run;
    return kvm_arch_vcpu_init(v, e);
}

int kvm_vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e)
{
    struct kvm *k = (struct kvm *)a;
    struct kvm_vcpu *v = calloc(1, sizeof(*v));

    assert(id < k->config.vcpu_count);
    if (!v)
        return err_set(e, ENOMEM, "no memory for vCPU %u", id);
    v->vcpu = (struct accel_vcpu){ .ops = &vcpu_ops, .id = id };
    v->kvm = k;
    v->fd = -1;
    int ret = vcpu_open(v, e);
    if (ret)
        vcpu_destroy(&v->vcpu);
    else
        *out = &v->vcpu;
    return ret;
}
