/*
 * A processor on KVM: its life and the run loop.
 *
 * A processor is stopped by the protocol that KVM calls immediate exit. A kick sets
 * run->immediate_exit, which KVM_RUN checks when it is entered; the signal that the kicker sends
 * along ends a KVM_RUN that has been entered already. So a kick at any moment ends the present run
 * or the next one, and none is lost between a check and the system call.
 *
 * The loop checks the flag only after KVM_RUN has failed with EINTR. KVM_RUN first completes the
 * access that was served, and only after that is the processor's state whole. If the flag is not
 * set, the signal was somebody else's, or the kernel had work for the thread, and the loop goes on.
 *
 * The loop clears the flag before it returns VCPU_KICKED. The caller looks at what is wanted of it
 * after that, so a kick in between is not lost; it costs one early return.
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

static void kvm_vcpu_destroy(struct accel_vcpu *a)
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

static void kvm_vcpu_kick(struct accel_vcpu *a)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)a;

    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

static bool kvm_vcpu_is_kicked(const struct kvm_vcpu *v)
{
    return __atomic_load_n(&v->run->immediate_exit, __ATOMIC_SEQ_CST);
}

static enum vcpu_exit kvm_vcpu_take_kick(struct kvm_vcpu *v)
{
    __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    return VCPU_KICKED;
}

static void kvm_vcpu_log_end(const struct kvm_vcpu *v, const struct err *e)
{
    log_error("vCPU %u at %#llx: %s", v->vcpu.id, (unsigned long long)kvm_arch_pc(v), e->text);
}

static enum vcpu_exit kvm_vcpu_run(struct accel_vcpu *a)
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
        if (errno == EAGAIN) /* a processor that waits to be started was woken; KVM_RUN starts it */
            continue;
        if (errno == EINTR && !kvm_vcpu_is_kicked(v))
            continue;
        if (errno == EINTR)
            return kvm_vcpu_take_kick(v);
        kvm_exit_failed(errno, &e);
        break;
    }
    if (why == VCPU_KICKED)
        return kvm_vcpu_take_kick(v);
    if (e.text[0])
        kvm_vcpu_log_end(v, &e);
    return why;
}

static const struct accel_vcpu_ops kvm_vcpu_ops = {
    .destroy = kvm_vcpu_destroy,
    .regs_set = kvm_arch_regs_set,
    .regs_get = kvm_arch_regs_get,
    .probe = kvm_arch_probe,
    .run = kvm_vcpu_run,
    .kick = kvm_vcpu_kick,
};

static int kvm_vcpu_open(struct kvm_vcpu *v, struct err *e)
{
    v->fd = ioctl(v->kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)v->vcpu.id);
    if (v->fd < 0)
        return err_sys(e, "KVM cannot create vCPU %u", v->vcpu.id);
    void *run = mmap(NULL, v->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (run == MAP_FAILED)
        return err_sys(e, "vCPU %u's struct kvm_run cannot be mapped", v->vcpu.id);
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
    v->vcpu = (struct accel_vcpu){ .ops = &kvm_vcpu_ops, .id = id };
    v->kvm = k;
    v->fd = -1;
    int ret = kvm_vcpu_open(v, e);
    if (ret)
        kvm_vcpu_destroy(&v->vcpu);
    else
        *out = &v->vcpu;
    return ret;
}
