/*
 * The machine's life: it is built from the bottom up, its state is changed by the loop thread, and
 * it ends once.
 *
 * There are two ways to end it. The loop thread calls vm_end; any other thread asks through struct
 * power, which posts a call of vm_end. Both ways set end_requested only if it is not set yet, so
 * the first reason stays, and one post is enough for any number of requests.
 */
#include "core/vm/vm.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/base/container.h"
#include "core/base/err.h"

/* How long a probe may take. A usable accelerator needs well under a millisecond, and one that
 * interprets needs tens of milliseconds. The rest is for a host that is busy with something
 * else. */
#define PROBE_LIMIT_NS 200000000u

static const char *const state_names[] = {
    [VM_BUILDING] = "has not started yet",
    [VM_RUNNING] = "is running",
    [VM_PAUSED] = "is paused",
    [VM_ENDED] = "has ended",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == VM_ENDED + 1,
              "one name for each state");
static_assert(offsetof(struct vm, power) == 0, "vm_power_end finds the machine from it");

/* Whether this is the first request, whose reason stays. */
static bool vm_request_end(struct vm *vm, enum power_end why)
{
    uint32_t none = POWER_NONE;

    assert(why != POWER_NONE);
    return atomic_compare_exchange_strong(&vm->end_requested, &none, (uint32_t)why);
}

static void vm_power_end(struct power *p, enum power_end why)
{
    struct vm *vm = (struct vm *)p;

    if (vm_request_end(vm, why))
        loop_post(vm->loop, &vm->end_post);
}

static void vm_end_posted(struct loop_post *post)
{
    struct vm *vm = container_of(post, struct vm, end_post);

    vm_end(vm, (enum power_end)atomic_load(&vm->end_requested));
}

/* Builds from the bottom up. On failure vm_finish takes down as much as there is. */
static int vm_build(struct vm *vm, const struct vm_config *config, struct err *e)
{
    struct accel_config accel = {
        .mem = &vm->mem,
        .ports = &vm->ports,
        .mmio = &vm->mmio,
        .vcpu_count = config->vcpu_count,
    };
    int ret = mem_init(&vm->mem, &config->mem, e);

    if (ret < 0)
        return ret;
    timeline_mark(vm->timeline, TIMELINE_MEMORY);

    bus_init(&vm->ports, "port");
    bus_init(&vm->mmio, "mmio");
    ret = config->accel->create(&accel, &vm->accel, e);
    if (ret < 0)
        return ret;
    ret = vcpus_init(&vm->vcpus, vm->accel, config->vcpu_count, &vm->power, vm->timeline, e);
    if (ret == 0 && config->probe_mips)
        ret = vcpus_probe(&vm->vcpus, PROBE_LIMIT_NS, config->probe_mips, e);
    if (ret < 0)
        return ret;
    timeline_mark(vm->timeline, TIMELINE_ACCEL);
    return 0;
}

int vm_init(struct vm *vm, const struct vm_config *config, struct loop *loop,
            struct timeline *timeline, struct err *e)
{
    int ret;

    if (config->vcpu_count < 1 || config->vcpu_count > VCPUS_MAX)
        return err_set(e, EINVAL, "a machine has 1 to %d vCPUs, not %u", VCPUS_MAX,
                       config->vcpu_count);
    vm->power.end = vm_power_end;
    vm->end_post.call = vm_end_posted;
    vm->loop = loop;
    vm->timeline = timeline;
    vm->arch = config->arch;
    ret = vm_build(vm, config, e);
    if (ret < 0)
        vm_finish(vm);
    return ret;
}

static int vm_state_expect(const struct vm *vm, enum vm_state wanted, const char *verb,
                           struct err *e)
{
    if (vm->state == wanted)
        return 0;
    return err_set(e, EINVAL, "the machine cannot be %s: it %s", verb, state_names[vm->state]);
}

int vm_start(struct vm *vm, const struct vcpu_regs *bsp, struct err *e)
{
    struct accel_vcpu *first = vm->vcpus.vcpu[0].accel;
    int ret = vm_state_expect(vm, VM_BUILDING, "started", e);

    if (ret < 0)
        return ret;
    ret = first->ops->regs_set(first, bsp, e);
    if (ret < 0)
        return err_wrap(e, ret, "vCPU 0");
    vm->state = VM_RUNNING;
    vcpus_resume(&vm->vcpus);
    return 0;
}

int vm_pause(struct vm *vm, struct err *e)
{
    int ret = vm_state_expect(vm, VM_RUNNING, "paused", e);

    if (ret < 0)
        return ret;
    vcpus_pause(&vm->vcpus);
    vm->state = VM_PAUSED;
    return 0;
}

int vm_resume(struct vm *vm, struct err *e)
{
    int ret = vm_state_expect(vm, VM_PAUSED, "resumed", e);

    if (ret < 0)
        return ret;
    vm->state = VM_RUNNING;
    vcpus_resume(&vm->vcpus);
    return 0;
}

void vm_end(struct vm *vm, enum power_end why)
{
    if (vm->state == VM_ENDED)
        return;
    (void)vm_request_end(vm, why);
    vcpus_pause(&vm->vcpus);
    timeline_mark(vm->timeline, TIMELINE_END);
    vm->ended = (enum power_end)atomic_load(&vm->end_requested);
    vm->state = VM_ENDED;
    if (vm->on_end)
        vm->on_end(vm);
}

/* Leaves the state at VM_ENDED, so that an end_post which is still queued does nothing. */
void vm_finish(struct vm *vm)
{
    assert(vm->state != VM_RUNNING);
    vcpus_finish(&vm->vcpus);
    if (vm->accel)
        vm->accel->ops->destroy(vm->accel);
    vm->accel = NULL;
    mem_finish(&vm->mem);
    vm->state = VM_ENDED;
}
