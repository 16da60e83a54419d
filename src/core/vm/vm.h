#ifndef CORE_VM_VM_H
#define CORE_VM_VM_H
/*
 * A machine without its devices: memory, buses, accelerator, vCPUs, and the life they share.
 *
 *   vm_init -> BUILDING -- vm_start --> RUNNING <-- vm_pause, vm_resume --> PAUSED
 *                 \_________________________|____________________________________|
 *                                           v  vm_end, or the guest's own doing
 *                                         ENDED -- vm_finish
 *
 * Only the loop thread moves the state. Others (a device under a vCPU's access, a dying processor)
 * ask through the embedded struct power, which posts to the loop.
 *
 * Taking a machine apart is building it in reverse: the devices, then their interrupt lines
 * (irq_finish), then vm_finish. Begin in any state but RUNNING (vm_end comes from all): no
 * processor runs then, so nothing reaches a device that is gone, and whatever a device points to
 * (its line, guest memory, the accelerator) is there as long as the device.
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

enum vm_state {
    VM_BUILDING,
    VM_RUNNING,
    VM_PAUSED,
    VM_ENDED,
};

struct vm_config {
    struct mem_config mem;
    unsigned vcpu_count; /* 1 to VCPUS_MAX */
    const struct accel_ops *accel;
    /* Or NULL; else an accelerator that is there but not usable is refused, and the speed that it
     * was found to have is left here (accel_vcpu_ops.probe). */
    uint64_t *probe_mips;
};

struct vm {
    struct power power; /* first member: a device's struct power * is this machine */
    struct loop *loop;  /* the caller's */
    struct timeline *timeline;
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct accel *accel;
    struct vcpus vcpus;
    enum vm_state state;            /* loop thread */
    enum power_end ended;           /* loop thread; why, once state is VM_ENDED */
    _Atomic uint32_t end_requested; /* any thread: the first enum power_end asked for */
    struct loop_post end_post;
    void (*on_end)(struct vm *vm); /* or NULL; loop thread, once, the vCPUs already parked */
};

/* Loop thread, all of it. */

/* Memory, accelerator and processors; RAM is empty, no device is on a bus. Needs *vm zeroed. The
 * loop and the timeline are the caller's and outlive the machine. On failure nothing is left
 * behind. */
int vm_init(struct vm *vm, const struct vm_config *config, struct loop *loop,
            struct timeline *timeline, struct err *e);

/* BUILDING to RUNNING. `bsp` is where processor 0 starts. -EINVAL from another state. */
int vm_start(struct vm *vm, const struct vcpu_regs *bsp, struct err *e);

/* RUNNING to PAUSED and back; -EINVAL from another state. When vm_pause returned no guest
 * instruction is executing. */
int vm_pause(struct vm *vm, struct err *e);
int vm_resume(struct vm *vm, struct err *e);

/* Any state to ENDED; the first reason stays. */
void vm_end(struct vm *vm, enum power_end why);

/* Joins the vCPU threads, destroys processors, accelerator and memory, in this order. Not while
 * RUNNING; devices and irq lines are finished before. end_post may still be queued: *vm stays where
 * it is until the loop ran it or has stopped for good. Accepts a zeroed struct. */
void vm_finish(struct vm *vm);

#endif
