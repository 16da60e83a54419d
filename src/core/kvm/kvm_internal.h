#ifndef CORE_KVM_KVM_INTERNAL_H
#define CORE_KVM_KVM_INTERNAL_H
/*
 * What the files of the KVM accelerator share; only they and their tests include it.
 *
 * This room is the accelerator that runs guests on the host's KVM. It knows KVM's system calls,
 * guest memory, the buses and interrupt lines; it must not know the devices behind them, the boot
 * protocols, the event loop or struct vm.
 *
 * kvm.c is KVM's virtual machine, kvm_vcpu.c a processor, kvm_exit.c serves what KVM_RUN returned
 * for, and kvm_keeper.c spares the process the wait for the virtual machine's end. What depends on
 * the guest's architecture is in x86/, behind the kvm_arch functions.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/accel.h"

struct err;
struct kvm_run;
struct kvm_arch; /* the architecture's part of a machine, which it defines */

struct kvm {
    struct accel accel;
    struct accel_config config;
    int vm_fd;
    int keeper_fd;      /* or -1; see kvm_keeper.h */
    size_t run_size;    /* bytes of a processor's struct kvm_run mapping */
    unsigned gsi_count; /* lines the interrupt controller has; at most 64 */
    uint64_t gsis;      /* bit n: line n is taken */
    struct kvm_arch *arch;
};

struct kvm_vcpu {
    struct accel_vcpu vcpu;
    struct kvm *kvm;
    int fd;
    struct kvm_run *run; /* shared with the kernel */
};

/* kvm.c: the host's KVM, before a machine exists. */

#define KVM_DEVICE "/dev/kvm"

struct kvm_need {
    int capability;
    const char *name;
    const char *why; /* what it is for: completes "which ..." */
};

/* Opens the device. Returns a descriptor, or -errno and a sentence that says what the operator has
 * to change. */
int kvm_open(const char *path, struct err *e);

/* ioctl(2), but not variadic, for kvm_verify; tests pass a function of their own. */
int kvm_ioctl(int fd, unsigned long request, unsigned long argument);

/* Whether fd is a KVM that can run a machine of so many processors. -ENOTTY: it is no KVM;
 * -EOPNOTSUPP: it has another API version, it lacks capabilities (the sentence lists them) or it
 * runs fewer processors. */
int kvm_verify(int fd, int (*ask)(int fd, unsigned long request, unsigned long argument),
               unsigned vcpu_count, struct err *e);

/* kvm_vcpu.c */

int kvm_vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e);

/* kvm_exit.c: that vCPU's thread. */

/* Serves the exit in *run, after KVM_RUN has returned 0. True: run on. False: *why is the reason,
 * and e holds a sentence for the log unless it was a kick or a plain triple fault. */
bool kvm_exit_serve(const struct accel_config *config, struct kvm_run *run, enum vcpu_exit *why,
                    struct err *e);

/* Fills e with the sentence for a KVM_RUN that failed with this errno. */
void kvm_exit_failed(int code, struct err *e);

/* x86/: the architecture's part. */

extern const struct kvm_need kvm_arch_needs[];
extern const unsigned kvm_arch_need_count;

/* Creates the interrupt controllers and what else a machine has before its first processor; sets
 * gsi_count and arch. kvm_arch_destroy accepts a machine whose kvm_arch_create failed or was never
 * called. */
int kvm_arch_create(struct kvm *k, int device_fd, struct err *e);
void kvm_arch_destroy(struct kvm *k);

/* Brings a new processor into its reset state. */
int kvm_arch_vcpu_init(struct kvm_vcpu *v, struct err *e);

int kvm_arch_regs_set(struct accel_vcpu *a, const struct vcpu_regs *from, struct err *e);
int kvm_arch_regs_get(struct accel_vcpu *a, struct vcpu_regs *to, struct err *e);

/* accel_vcpu_ops.probe (core/vm/accel.h). */
int kvm_arch_probe(struct accel_vcpu *a, uint64_t *mips, struct err *e);

/* The processor's instruction pointer, for a log line; 0 where KVM does not give it. */
uint64_t kvm_arch_pc(const struct kvm_vcpu *v);

#endif
