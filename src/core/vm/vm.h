#ifndef CORE_VM_VM_H
#define CORE_VM_VM_H
/*
 * A machine without its devices: memory, buses, accelerator, vCPUs, and the life they share.
 *
 *             vm_start               vm_pause
 *   BUILDING ----------> RUNNING -------------> PAUSED
 *      |                  |   ^                 |   |
 *      |                  |   +-----------------+   |
 *      |                  |        vm_resume        |
 *      +------------------+-------------------------+
 *                         | vm_end, or the guest's own doing
 *                         v
 *                       ENDED
 *
 * Only the loop thread changes the state. Other threads (a device in a vCPU's access, a processor
 * that died) ask for the end through the embedded struct power, which posts to the loop.
 *
 * A machine is taken apart in the reverse order of building it: the devices, then their interrupt
 * lines (irq_finish), then vm_finish. A running machine must first be ended with vm_end: outside
 * RUNNING no processor runs, so none reaches a device that is gone. Whatever a device points to
 * (its line, guest memory, the accelerator) lives longer than the device.
 *
 * This room is the machine without devices: its memory, buses, interrupt lines, vCPU threads and
 * life. It reaches accelerators and devices only through the tables that accel.h and device.h
 * declare. It must not know which of them there are, nor the guest's architecture.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/timeline.h"
#include "core/loop/loop.h"
#include "core/vm/accel.h"
#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "core/vm/power.h"
#include "core/vm/vcpu.h"

struct guest_arch;

enum vm_state {
    VM_BUILDING,
    VM_RUNNING,
    VM_PAUSED,
    VM_ENDED,
};

struct vm_config {
    const struct guest_arch *arch; /* or NULL for a machine without a board */
    struct mem_config mem;
    unsigned vcpu_count; /* 1 to VCPUS_MAX */
    const struct accel_ops *accel;
    /* NULL: no probe. Otherwise the accelerator is probed (accel_vcpu_ops.probe). vm_init puts its
     * speed here, and fails if no guest can run on it. */
    uint64_t *probe_mips;
};

struct vm {
    struct power power; /* first member: power.end finds the machine from it */
    struct loop *loop;  /* the caller's */
    struct timeline *timeline;
    const struct guest_arch *arch; /* or NULL */
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct accel *accel;
    struct vcpus vcpus;
    enum vm_state state;            /* loop thread */
    enum power_end ended;           /* loop thread; the reason, once state is VM_ENDED */
    _Atomic uint32_t end_requested; /* any thread; enum power_end of the first request */
    struct loop_post end_post;
    void (*on_end)(struct vm *vm); /* or NULL; called once, on the loop thread, vCPUs parked */
};

/* All on the loop thread. */

/* Makes memory, accelerator and processors. RAM is zero, and no device is on a bus. *vm must be
 * zeroed. The loop and the timeline are the caller's and outlive the machine; the loop may be NULL
 * if the machine is never started. A failure leaves nothing behind. */
int vm_init(struct vm *vm, const struct vm_config *config, struct loop *loop,
            struct timeline *timeline, struct err *e);

/* BUILDING to RUNNING. `bsp` is where processor 0 starts. -EINVAL from another state. */
int vm_start(struct vm *vm, const struct vcpu_regs *bsp, struct err *e);

/* RUNNING to PAUSED and back; -EINVAL from another state. When vm_pause has returned, no guest
 * instruction is executing. */
int vm_pause(struct vm *vm, struct err *e);
int vm_resume(struct vm *vm, struct err *e);

/* Any state to ENDED. If the end was already requested, the first reason stays. */
void vm_end(struct vm *vm, enum power_end why);

/* Joins the vCPU threads, then destroys processors, accelerator and memory, in this order. Not
 * while RUNNING; the caller has finished devices and irq lines before. end_post may still be
 * queued, so *vm must stay in place until the loop has called it or will not run again. Accepts a
 * zeroed struct. */
void vm_finish(struct vm *vm);

#endif
