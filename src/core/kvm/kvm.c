/*
 * A machine on KVM: the virtual machine, its memory, interrupt lines and doorbells.
 *
 * Every descriptor is opened while the machine is built. /dev/kvm is closed again once the virtual
 * machine exists, and a running guest needs only its processors' descriptors and the eventfds. From
 * then on the kernel handles interrupts and doorbells by itself: raising a line is one write to an
 * eventfd (KVM_IRQFD), and a guest's store to a doorbell signals an eventfd (KVM_IOEVENTFD) without
 * a return to user space.
 */
#include "core/kvm/kvm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/host/host.h"
#include "core/kvm/kvm_internal.h"
#include "core/kvm/kvm_keeper.h"
#include "core/vm/irq.h"

#define API_VERSION 12 /* the only one since Linux 2.6.22 */

static const struct kvm_need needs[] = {
    { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "gives the guest its memory" },
    { KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "lets devices raise interrupts" },
    { KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "takes the guest's doorbells" },
    { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stops a processor without a race" },
    { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE", "keeps further processors waiting" },
};

int kvm_ioctl(int fd, unsigned long request, unsigned long argument)
{
    return ioctl(fd, request, argument);
}

int kvm_open(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return err_sys(e,
                       "%s is missing: switch on virtualisation (AMD-V, VT-x; on a virtual host, "
                       "nested virtualisation) and load the module kvm_amd or kvm_intel",
                       path);
    case EACCES:
    case EPERM:
        return err_sys(e, "%s may not be opened: add this user to the group kvm", path);
    case EBUSY:
        return err_sys(e, "%s is in use: end the other hypervisor on this host", path);
    default:
        return err_sys(e, "%s cannot be opened", path);
    }
}

/* Appends each need that is not met to the list, of which `used` bytes are taken. Returns how many
 * bytes are taken afterwards. */
static size_t kvm_list_missing(char *list, size_t size, size_t used, const struct kvm_need *need,
                               unsigned count, int fd,
                               int (*ask)(int fd, unsigned long request, unsigned long argument))
{
    for (unsigned i = 0; i < count; i++) {
        if (ask(fd, KVM_CHECK_EXTENSION, (unsigned long)need[i].capability) > 0)
            continue;
        int n = snprintf(list + used, size - used, "%s%s (which %s)", used ? ", " : "",
                         need[i].name, need[i].why);
        used += (size_t)n;
        if (used >= size) /* cut; what is listed is enough to act on */
            return size - 1;
    }
    return used;
}

int kvm_verify(int fd, int (*ask)(int fd, unsigned long request, unsigned long argument),
               unsigned vcpu_count, struct err *e)
{
    char missing[400] = "";
    int version = ask(fd, KVM_GET_API_VERSION, 0);

    if (version < 0)
        return err_sys(e, "the device does not answer as a KVM: check what it is");
    if (version != API_VERSION)
        return err_set(e, EOPNOTSUPP,
                       "KVM speaks version %d of its interface and mote %d: update the host's "
                       "kernel",
                       version, API_VERSION);

    size_t used = kvm_list_missing(missing, sizeof(missing), 0, needs,
                                   sizeof(needs) / sizeof(needs[0]), fd, ask);
    used = kvm_list_missing(missing, sizeof(missing), used, kvm_arch_needs, kvm_arch_need_count, fd,
                            ask);
    if (used)
        return err_set(e, EOPNOTSUPP, "KVM lacks %s: update the host's kernel", missing);

    int vcpus = ask(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
    if (vcpus > 0 && (unsigned)vcpus < vcpu_count)
        return err_set(e, EOPNOTSUPP, "KVM runs at most %d vCPUs here and %u are asked for", vcpus,
                       vcpu_count);
    return 0;
}

int kvm_inspect(const char *device, struct err *e)
{
    int fd = kvm_open(device, e);
    int ret;

    if (fd < 0)
        return fd;
    ret = kvm_verify(fd, kvm_ioctl, 1, e);
    (void)close(fd);
    return ret;
}

static int kvm_vm_create(int device, struct err *e)
{
    int fd;

    /* EINTR: a signal interrupted the kernel while it registered its MMU notifier. */
    do
        fd = ioctl(device, KVM_CREATE_VM, 0);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return fd;
    if (errno == EBUSY)
        return err_sys(e, "KVM cannot use the processor: end the other hypervisor on this host");
    return err_sys(e, "KVM cannot create a virtual machine (the host's dmesg may say more)");
}

static int kvm_memory_map(const struct kvm *k, struct err *e)
{
    const struct mem *m = k->config.mem;

    for (unsigned i = 0; i < m->count; i++) {
        const struct mem_region *r = &m->regions[i];
        struct kvm_userspace_memory_region slot = {
            .slot = i,
            .guest_phys_addr = r->gpa,
            .memory_size = r->size,
            .userspace_addr = (uintptr_t)r->host,
        };
        if (ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
            return err_sys(e, "KVM does not take %llu MiB of memory at %#llx: try a smaller --mem",
                           (unsigned long long)(r->size >> 20), (unsigned long long)r->gpa);
    }
    return 0;
}

static void kvm_destroy(struct accel *a)
{
    struct kvm *k = (struct kvm *)a;

    kvm_arch_destroy(k);
    if (k->vm_fd >= 0)
        (void)close(k->vm_fd);
    if (k->keeper_fd >= 0)
        (void)close(k->keeper_fd);
    free(k);
}

static int kvm_build(struct kvm *k, int device, struct err *e)
{
    int ret = kvm_verify(device, kvm_ioctl, k->config.vcpu_count, e);

    if (ret)
        return ret;
    k->vm_fd = kvm_vm_create(device, e);
    if (k->vm_fd < 0)
        return k->vm_fd;
    k->keeper_fd = kvm_keeper_create(k->vm_fd);
    int run_size = ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < (int)sizeof(struct kvm_run))
        return err_set(e, EOPNOTSUPP,
                       "KVM shares %d bytes with a vCPU and %zu are needed: update "
                       "the host's kernel",
                       run_size, sizeof(struct kvm_run));
    k->run_size = (size_t)run_size;
    ret = kvm_memory_map(k, e);
    if (ret)
        return ret;
    return kvm_arch_create(k, device, e);
}

static int kvm_create(const struct accel_config *config, struct accel **out, struct err *e)
{
    assert(config->vcpu_count >= 1 && config->vcpu_count <= VCPUS_MAX);

    int device = kvm_open(KVM_DEVICE, e);
    if (device < 0)
        return device;
    int ret = -ENOMEM;
    struct kvm *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(e, ENOMEM, "no memory for a virtual machine");
        goto out;
    }
    k->accel.ops = &kvm_accel;
    k->config = *config;
    k->vm_fd = k->keeper_fd = -1;
    ret = kvm_build(k, device, e);
    if (ret)
        kvm_destroy(&k->accel);
    else
        *out = &k->accel;
out:
    (void)close(device);
    return ret;
}

static void kvm_irq_raise(struct irq_line *line)
{
    const uint64_t one = 1;

    /* The write fails only if the counter is full, and then the interrupt is pending already. */
    (void)!write(line->fd, &one, sizeof(one));
}

static int kvm_irqfd_assign(const struct kvm *k, const struct irq_line *line)
{
    struct kvm_irqfd request = { .fd = (uint32_t)line->fd, .gsi = line->gsi };

    return ioctl(k->vm_fd, KVM_IRQFD, &request);
}

static int kvm_irq_init(struct accel *a, struct irq_line *line, unsigned gsi, struct err *e)
{
    struct kvm *k = (struct kvm *)a;

    if (gsi >= k->gsi_count)
        return err_set(e, EINVAL, "there is no interrupt line %u: KVM has 0 to %u", gsi,
                       k->gsi_count - 1);
    if (k->gsis & 1ull << gsi)
        return err_set(e, EEXIST, "interrupt line %u is taken", gsi);
    struct irq_line new = { .raise = kvm_irq_raise, .gsi = gsi };
    new.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (new.fd < 0)
        return err_sys(e, "no eventfd for interrupt line %u: raise the limit on open files", gsi);
    if (kvm_irqfd_assign(k, &new) < 0) {
        int ret = err_sys(e, "KVM does not connect interrupt line %u", gsi);
        (void)close(new.fd);
        return ret;
    }
    k->gsis |= 1ull << gsi;
    *line = new;
    return 0;
}

static void kvm_irq_finish(struct accel *a, struct irq_line *line)
{
    struct kvm *k = (struct kvm *)a;

    /* When the last descriptor of the eventfd is closed, KVM drops it in a worker.
     * KVM_IRQFD_FLAG_DEASSIGN would wait milliseconds for that. */
    (void)close(line->fd);
    k->gsis &= ~(1ull << line->gsi);
    *line = (struct irq_line){ .fd = -1 };
}

static int kvm_doorbell_add(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                            struct err *e)
{
    const struct kvm *k = (struct kvm *)a;
    struct kvm_ioeventfd request = {
        .datamatch = value,
        .addr = addr,
        .len = size,
        .fd = eventfd,
        .flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
    };

    if (ioctl(k->vm_fd, KVM_IOEVENTFD, &request) == 0)
        return 0;
    return err_sys(e, "KVM does not take a doorbell of %u bytes at %#llx for value %llu", size,
                   (unsigned long long)addr, (unsigned long long)value);
}

const struct accel_ops kvm_accel = {
    .name = "kvm",
    .guest = host_arch,
    .create = kvm_create,
    .destroy = kvm_destroy,
    .irq_init = kvm_irq_init,
    .irq_finish = kvm_irq_finish,
    .doorbell_add = kvm_doorbell_add,
    .vcpu_create = kvm_vcpu_create,
};
