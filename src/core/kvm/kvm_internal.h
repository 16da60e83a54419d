#ifndef CORE_KVM_KVM_INTERNAL_H
#define CORE_KVM_KVM_INTERNAL_H
/*
 * What the files of the KVM accelerator share; nobody else includes it.
 *
 * kvm.c holds the machine, kvm_vcpu.c its processors, kvm_exit.c what a processor's return asks
 * for. What depends on the guest's architecture is in x86/ behind the kvm_arch functions.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/accel.h"

struct err;
struct kvm_run;
struct kvm_arch; /* the architecture's share of a machine; its own */

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

/* kvm.c: the host's KVM, before there is a machine. */

#define KVM_DEVICE "/dev/kvm"

struct kvm_need {
    int capability;
    const char *name;
    const char *why; /* "without which..." */
};

/* A descriptor of the device, or a sentence about what the operator has to change. */
int kvm_open(const char *path, struct err *e);

/* ioctl as a function, so that kvm_verify can be asked about any KVM. */
int kvm_ioctl(int fd, unsigned long request, unsigned long argument);

/* Is fd a KVM that can run a machine of so many processors? -ENOTTY: no KVM; -EOPNOTSUPP: one that
 * is too old, lacks a capability (the sentence names every one) or runs fewer processors. */
int kvm_verify(int fd, int (*ask)(int fd, unsigned long request, unsigned long argument),
               unsigned vcpu_count, struct err *e);

/* kvm_vcpu.c */

int kvm_vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e);

/* kvm_exit.c: that vCPU's thread. */

/* Acts on what *run says after KVM_RUN returned 0. true: run on. false: *why says why not, and e
 * holds a sentence for the log unless the guest merely died. */
bool kvm_exit_serve(const struct accel_config *config, struct kvm_run *run, enum vcpu_exit *why,
                    struct err *e);

/* The sentence for a KVM_RUN that failed with this errno. */
void kvm_exit_failed(int code, struct err *e);

/* The architecture's side. */

extern const struct kvm_need kvm_arch_needs[];
extern const unsigned kvm_arch_need_count;

/* Interrupt controllers and what else a machine has before its first processor; sets gsi_count and
 * arch. kvm_arch_destroy accepts a machine whose kvm_arch_create failed or was not reached. */
int kvm_arch_create(struct kvm *k, int device_fd, struct err *e);
void kvm_arch_destroy(struct kvm *k);

/* A new processor to its reset state. */
int kvm_arch_vcpu_init(struct kvm_vcpu *v, struct err *e);

int kvm_arch_regs_set(struct accel_vcpu *v, const struct vcpu_regs *regs, struct err *e);
int kvm_arch_regs_get(struct accel_vcpu *v, struct vcpu_regs *regs, struct err *e);

/* accel_vcpu_ops.probe. */
int kvm_arch_probe(struct accel_vcpu *v, uint64_t *mips, struct err *e);

/* Where the processor stands, for a log line; 0 where KVM does not say. */
uint64_t kvm_arch_pc(const struct kvm_vcpu *v);

#endif
