/* The machine's life: every state, every transition, and every way to fail. */
#include "core/vm/vm.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/vm/irq.h"
#include "core/x86/regs.h"
#include "lib/vm/bell.h"
#include "lib/vm/scripted.h"

#define BELL 0x10

static struct loop *loop;
static struct timeline timeline;
static unsigned ends; /* calls of on_end */

static void on_end(struct vm *vm)
{
    ends++;
    cr_assert_eq(vm->state, VM_ENDED);
    for (unsigned i = 0; i < vm->vcpus.count; i++)
        cr_assert_not(atomic_load(&scripted_vcpu(vm->accel, i)->inside), "parked before the end");
    loop_stop(vm->loop);
}

static struct vm_config config_of(unsigned vcpu_count)
{
    return (struct vm_config){
        .mem = { .size = 1 << 20, .gap_start = 2 << 20, .gap_end = 4 << 20 },
        .vcpu_count = vcpu_count,
        .accel = &scripted_accel,
    };
}

static void vm_set_up(struct vm *vm, struct bell *bell, unsigned vcpu_count)
{
    struct vm_config config = config_of(vcpu_count);
    struct err e = { 0 };

    memset(vm, 0, sizeof(*vm));
    cr_assert_eq(loop_create(&loop, LOOP_EPOLL, &e), 0, "%s", e.text);
    cr_assert_eq(vm_init(vm, &config, loop, &timeline, &e), 0, "%s", e.text);
    vm->on_end = on_end;
    bell_init(bell);
    cr_assert_eq(bus_add(&vm->ports, BELL, BELL_LEN, &bell->device, NULL), 0);
}

/* In the order that vm.h demands: the device, then the machine. */
static void vm_tear_down(struct vm *vm, struct bell *bell)
{
    vm_end(vm, POWER_QUIT);
    bell_finish(bell);
    vm_finish(vm);
    loop_destroy(loop);
    cr_assert_eq(atomic_load(&scripted_alive), 0);
}

static const struct vcpu_regs bsp = { .rip = 0x1000000, .rflags = 2 };

static const struct scripted_step ring_then_sleep[] = {
    { SCRIPTED_OUT, BELL, 1, 1 },
    { SCRIPTED_SLEEP, 0, 0, 0 },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

Test(vm, starts_where_it_is_told)
{
    struct vm vm;
    struct bell bell;
    struct scripted_vcpu *first;
    struct vcpu_regs got;

    vm_set_up(&vm, &bell, 2);
    first = scripted_vcpu(vm.accel, 0);
    cr_assert_eq(vm.state, VM_BUILDING);
    first->script = ring_then_sleep;
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    cr_assert_eq(vm.state, VM_RUNNING);
    bell_wait(&bell);
    cr_assert_eq(vm_pause(&vm, NULL), 0);

    cr_assert_eq(first->regs_sets, 1);
    cr_assert_eq(first->vcpu.ops->regs_get(&first->vcpu, &got, NULL), 0);
    cr_assert_eq(got.rip, bsp.rip);
    cr_assert_eq(got.rflags, bsp.rflags);
    cr_assert_eq(scripted_vcpu(vm.accel, 1)->regs_sets, 0, "processor 0 alone");
    vm_tear_down(&vm, &bell);
}

Test(vm, pauses_and_goes_on)
{
    struct vm vm;
    struct bell bell;

    vm_set_up(&vm, &bell, 1);
    scripted_vcpu(vm.accel, 0)->script = ring_then_sleep;
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    for (int i = 0; i < 3; i++) {
        bell_wait(&bell);
        cr_assert_eq(vm_pause(&vm, NULL), 0);
        cr_assert_eq(vm.state, VM_PAUSED);
        cr_assert_not(atomic_load(&scripted_vcpu(vm.accel, 0)->inside));
        cr_assert_eq(vm_resume(&vm, NULL), 0);
        cr_assert_eq(vm.state, VM_RUNNING);
    }
    bell_wait(&bell);
    vm_tear_down(&vm, &bell);
}

static void expect_state_refused(int ret, const struct err *e, const char *sentence)
{
    cr_assert_eq(ret, -EINVAL);
    cr_assert_str_eq(e->text, sentence);
}

Test(vm, refuses_what_its_state_does_not_allow)
{
    struct vm vm;
    struct bell bell;
    struct err e;

    vm_set_up(&vm, &bell, 1);
    expect_state_refused(vm_pause(&vm, &e), &e,
                         "the machine cannot be paused: it has not started yet");
    expect_state_refused(vm_resume(&vm, &e), &e,
                         "the machine cannot be resumed: it has not started yet");

    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    expect_state_refused(vm_start(&vm, &bsp, &e), &e,
                         "the machine cannot be started: it is running");
    expect_state_refused(vm_resume(&vm, &e), &e, "the machine cannot be resumed: it is running");

    cr_assert_eq(vm_pause(&vm, NULL), 0);
    expect_state_refused(vm_start(&vm, &bsp, &e), &e,
                         "the machine cannot be started: it is paused");
    expect_state_refused(vm_pause(&vm, &e), &e, "the machine cannot be paused: it is paused");

    vm_end(&vm, POWER_QUIT);
    expect_state_refused(vm_start(&vm, &bsp, &e), &e,
                         "the machine cannot be started: it has ended");
    expect_state_refused(vm_pause(&vm, &e), &e, "the machine cannot be paused: it has ended");
    expect_state_refused(vm_resume(&vm, &e), &e, "the machine cannot be resumed: it has ended");
    vm_tear_down(&vm, &bell);
}

Test(vm, ends_from_every_state)
{
    for (enum vm_state from = VM_BUILDING; from <= VM_ENDED; from++) {
        struct vm vm;
        struct bell bell;

        ends = 0;
        vm_set_up(&vm, &bell, 2);
        if (from != VM_BUILDING)
            cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
        if (from == VM_PAUSED)
            cr_assert_eq(vm_pause(&vm, NULL), 0);
        if (from == VM_ENDED)
            vm_end(&vm, POWER_OFF);
        cr_assert_eq(vm.state, from);

        vm_end(&vm, POWER_QUIT);
        cr_assert_eq(vm.state, VM_ENDED);
        cr_assert_eq(vm.ended, from == VM_ENDED ? POWER_OFF : POWER_QUIT, "the first reason");
        cr_assert_eq(ends, 1, "on_end comes once");
        vm_tear_down(&vm, &bell);
        cr_assert_eq(ends, 1);
    }
}

Test(vm, ends_without_anybody_to_tell)
{
    struct vm vm;
    struct bell bell;

    vm_set_up(&vm, &bell, 1);
    vm.on_end = NULL;
    vm_end(&vm, POWER_QUIT);
    cr_assert_eq(vm.ended, POWER_QUIT);
    vm_tear_down(&vm, &bell);
}

/* Runs a script on processor 0 until the loop ends the machine. Returns the reason. */
static enum power_end end_of(const struct scripted_step *script)
{
    struct vm vm;
    struct bell bell;
    enum power_end why;

    ends = 0;
    vm_set_up(&vm, &bell, 2);
    scripted_vcpu(vm.accel, 0)->script = script;
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    cr_assert_eq(loop_run(loop), 0);
    cr_assert_eq(ends, 1);
    cr_assert_eq(vm.state, VM_ENDED);
    why = vm.ended;
    vm_tear_down(&vm, &bell);
    return why;
}

Test(vm, guest_that_dies_ends_the_machine)
{
    static const struct scripted_step dies[] = { { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };
    static const struct scripted_step fails[] = { { SCRIPTED_FAIL, 0, 0, 0 } };

    cr_assert_eq(end_of(dies), POWER_TRIPLE_FAULT);
    cr_assert_eq(end_of(fails), POWER_FAILED);
}

static void stop_call(struct loop_post *post)
{
    (void)post;
    loop_stop(loop);
}

/* The order of the requests counts, not the order in which the loop handles them. */
Test(vm, first_request_stays)
{
    struct vm vm;
    struct bell bell;
    struct loop_post stop = { .call = stop_call };

    ends = 0;
    vm_set_up(&vm, &bell, 1);
    power_end_machine(&vm.power, POWER_RESET);
    power_end_machine(&vm.power, POWER_OFF);
    cr_assert_eq(vm.state, VM_BUILDING, "the state does not change before the loop runs");
    vm_end(&vm, POWER_QUIT);
    cr_assert_eq(vm.ended, POWER_RESET);
    cr_assert_eq(ends, 1);

    loop_post(loop, &stop); /* behind the one that the first request queued */
    cr_assert_eq(loop_run(loop), 0);
    cr_assert_eq(ends, 1);
    vm_tear_down(&vm, &bell);
}

Test(vm, request_ends_a_paused_machine)
{
    struct vm vm;
    struct bell bell;

    ends = 0;
    vm_set_up(&vm, &bell, 1);
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    cr_assert_eq(vm_pause(&vm, NULL), 0);
    power_end_machine(&vm.power, POWER_OFF);
    cr_assert_eq(loop_run(loop), 0);
    cr_assert_eq(vm.ended, POWER_OFF);
    vm_tear_down(&vm, &bell);
}

Test(vm, marks_its_phases_in_order)
{
    struct vm vm;
    struct bell bell;
    const uint64_t *at = timeline.at_ns;

    vm_set_up(&vm, &bell, 1);
    cr_assert_neq(at[TIMELINE_MEMORY], 0);
    cr_assert_leq(at[TIMELINE_MEMORY], at[TIMELINE_ACCEL]);
    cr_assert_eq(at[TIMELINE_GUEST], 0);
    scripted_vcpu(vm.accel, 0)->script = ring_then_sleep;
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    bell_wait(&bell);
    cr_assert_eq(at[TIMELINE_END], 0);
    vm_end(&vm, POWER_QUIT);
    cr_assert_leq(at[TIMELINE_ACCEL], at[TIMELINE_GUEST]);
    cr_assert_leq(at[TIMELINE_GUEST], at[TIMELINE_END]);
    vm_tear_down(&vm, &bell);
}

static void expect_no_machine(const struct vm_config *config, int code, const char *say)
{
    struct vm vm = { 0 };
    struct err e = { 0 };

    cr_assert_eq(vm_init(&vm, config, NULL, &timeline, &e), -code);
    cr_assert(strstr(e.text, say), "\"%s\" in \"%s\"", say, e.text);
    cr_assert_eq(atomic_load(&scripted_alive), 0);
    cr_assert_eq(vm.mem.count, 0);
    cr_assert_null(vm.accel);
    cr_assert_eq(vm.vcpus.count, 0);
    vm_finish(&vm); /* allowed, and has nothing to do */
}

Test(vm, refuses_impossible_numbers_of_processors)
{
    struct vm_config config = config_of(0);

    expect_no_machine(&config, EINVAL, "a machine has 1 to 32 vCPUs, not 0");
    config.vcpu_count = 33;
    expect_no_machine(&config, EINVAL, "not 33");
}

Test(vm, every_step_that_fails_leaves_nothing)
{
    struct vm_config config = config_of(4);

    config.mem.size = 4097;
    expect_no_machine(&config, EINVAL, "4097 bytes is not a multiple of 4 KiB");
    config.mem.size = 4096;
    scripted_faults = (struct scripted_faults){ .create = true };
    expect_no_machine(&config, EIO, "the script says that the accelerator fails");
    for (unsigned id = 0; id < 4; id++) {
        scripted_faults = (struct scripted_faults){ .vcpu = true, .vcpu_id = id };
        expect_no_machine(&config, EIO, ": the script says that the processor fails");
    }
}

Test(vm, start_that_fails_can_be_repeated)
{
    struct vm vm;
    struct bell bell;
    struct err e = { 0 };

    vm_set_up(&vm, &bell, 1);
    scripted_faults.regs_set = true;
    cr_assert_eq(vm_start(&vm, &bsp, &e), -EIO);
    cr_assert_str_eq(e.text, "vCPU 0: the script says that setting registers fails");
    cr_assert_eq(vm.state, VM_BUILDING);
    cr_assert_eq(scripted_vcpu(vm.accel, 0)->runs, 0);

    scripted_faults.regs_set = false;
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    vm_tear_down(&vm, &bell);
}

Test(vm, finish_accepts_zeroed)
{
    struct vm vm = { 0 };

    vm_finish(&vm);
}

/* Doorbells in, interrupts out: what a device does with the accelerator of this machine. */
Test(vm, doorbells_and_lines_work_around_the_buses)
{
    static const struct scripted_step script[] = {
        { SCRIPTED_STORE, 0xc0001050, 4, 0 }, /* the doorbell */
        { SCRIPTED_STORE, 0xc0001050, 4, 1 }, /* another value, not the doorbell */
        { SCRIPTED_STORE, 0xc0001050, 2, 0 }, /* another size, not the doorbell */
        { SCRIPTED_OUT, BELL, 1, 1 },         { SCRIPTED_HALT, 0, 0, 0 },
    };
    struct vm vm;
    struct bell bell;
    struct irq_line line;
    struct irq_line second;
    int doorbell = eventfd(0, EFD_NONBLOCK);
    uint64_t rung = 0;

    vm_set_up(&vm, &bell, 1);
    cr_assert_eq(vm.accel->ops->irq_init(vm.accel, &line, 5, NULL), 0);
    cr_assert_eq(vm.accel->ops->irq_init(vm.accel, &second, 5, NULL), -EEXIST);
    cr_assert_eq(vm.accel->ops->doorbell_add(vm.accel, 0xc0001050, 4, 0, doorbell, NULL), 0);
    scripted_vcpu(vm.accel, 0)->script = script;
    cr_assert_eq(vm_start(&vm, &bsp, NULL), 0);
    bell_wait(&bell);
    cr_assert_eq(read(doorbell, &rung, sizeof(rung)), sizeof(rung));
    cr_assert_eq(rung, 1);

    irq_line_raise(&line);
    irq_line_raise(&line);
    cr_assert_eq(scripted_raises(&line), 2);
    cr_assert_eq(scripted_raises(&line), 0);

    vm_end(&vm, POWER_QUIT);
    vm.accel->ops->irq_finish(vm.accel, &line);
    vm_tear_down(&vm, &bell);
    (void)close(doorbell);
}

Test(vm, is_not_built_on_an_accelerator_that_fails_its_probe)
{
    struct vm_config config = config_of(2);
    uint64_t mips = 0;

    timeline = (struct timeline){ 0 };
    scripted_faults.probe = true;
    config.probe_mips = &mips;
    expect_no_machine(&config, EIO, "the probe");
    cr_assert_eq(timeline.at_ns[TIMELINE_ACCEL], 0, "it was never ready");
    cr_assert_eq(mips, SCRIPTED_MIPS, "the speed that was found is returned all the same");
}

Test(vm, probes_only_where_it_is_asked)
{
    struct vm vm;
    struct bell bell;

    scripted_faults.probe = true;
    vm_set_up(&vm, &bell, 1);
    cr_assert_eq(scripted_vcpu(vm.accel, 0)->probes, 0);
    vm_tear_down(&vm, &bell);
}
