/* Gates: which processors are held, through pauses and until the end, and which go on. */
#include <criterion/criterion.h>

#include "lib/vm/rig.h"
#include "lib/vm/turnstile.h"

#define TURNSTILE 0x20

static struct rig r;
static struct turnstile t;

/* The bell after the turnstile shows that the guest went on. */
static const struct scripted_step passes[] = {
    { SCRIPTED_OUT, TURNSTILE, 4, 0 },
    { SCRIPTED_OUT, RIG_BELL, 4, 1 },
    { SCRIPTED_HALT, 0, 0, 0 },
};

static const struct scripted_step looks[] = {
    { SCRIPTED_IN, TURNSTILE, 4, 0 },
    { SCRIPTED_OUT, RIG_BELL, 4, 1 },
    { SCRIPTED_HALT, 0, 0, 0 },
};

static const struct scripted_step rings[] = {
    { SCRIPTED_OUT, RIG_BELL, 4, 1 },
    { SCRIPTED_HALT, 0, 0, 0 },
};

static void set_up(unsigned vcpu_count)
{
    turnstile_init(&t);
    rig_start(&r, vcpu_count);
    cr_assert_eq(bus_add(&r.ports, TURNSTILE, BELL_LEN, &t.bell.device, NULL), 0);
}

static void tear_down(void)
{
    rig_finish(&r);
    turnstile_finish(&t);
}

Test(vcpu_gate, holds_until_opened)
{
    set_up(1);
    scripted_vcpu(r.accel, 0)->script = passes;
    vcpus_resume(&r.vcpus);
    bell_wait(&t.bell);
    vcpus_pause(&r.vcpus);
    cr_assert_eq(scripted_vcpu(r.accel, 0)->at, 1, "the access is done, and nothing else");
    cr_assert_eq(r.bell.writes, 0);
    cr_assert_eq(r.vcpus.vcpu[0].held, 1);

    turnstile_open(&t);
    cr_assert_eq(r.vcpus.vcpu[0].held, 0);
    cr_assert_eq(r.bell.writes, 0, "it is still paused");
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    tear_down();
}

Test(vcpu_gate, holds_through_pauses)
{
    set_up(1);
    scripted_vcpu(r.accel, 0)->script = looks;
    vcpus_resume(&r.vcpus);
    bell_wait(&t.bell);
    for (int i = 0; i < 3; i++) {
        vcpus_pause(&r.vcpus);
        vcpus_resume(&r.vcpus);
    }
    vcpus_pause(&r.vcpus);
    cr_assert_eq(r.bell.writes, 0);
    vcpus_resume(&r.vcpus);
    turnstile_open(&t); /* RUNNING is wanted, so this alone sets it off */
    bell_wait(&r.bell);
    cr_assert_eq(atomic_load(&scripted_vcpu(r.accel, 0)->surprises), 0, "the read was answered");
    tear_down();
}

Test(vcpu_gate, others_go_on)
{
    set_up(2);
    scripted_vcpu(r.accel, 0)->script = passes;
    scripted_vcpu(r.accel, 1)->script = rings;
    vcpus_resume(&r.vcpus);
    bell_wait(&t.bell);
    bell_wait(&r.bell);
    vcpus_pause(&r.vcpus);
    cr_assert_eq(r.bell.writes, 1, "the second processor's");
    turnstile_open(&t);
    tear_down();
}

Test(vcpu_gate, opens_for_all_at_once)
{
    set_up(VCPUS_MAX);
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        scripted_vcpu(r.accel, i)->script = passes;
    vcpus_resume(&r.vcpus);
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        bell_wait(&t.bell);
    cr_assert_eq(t.gate.held, UINT32_MAX);
    turnstile_open(&t);
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        bell_wait(&r.bell);
    cr_assert_eq(t.gate.held, 0);
    turnstile_open(&t); /* nobody is held */
    tear_down();
}

/* The gate is never opened; its device is even gone by the time the threads end. */
Test(vcpu_gate, end_does_not_wait_for_it)
{
    set_up(2);
    scripted_vcpu(r.accel, 0)->script = passes;
    scripted_vcpu(r.accel, 1)->script = passes;
    vcpus_resume(&r.vcpus);
    bell_wait(&t.bell);
    bell_wait(&t.bell);
    vcpus_pause(&r.vcpus);
    turnstile_finish(&t);
    rig_finish(&r);
    cr_assert_eq(atomic_load(&scripted_alive), 0);
}

Test(vcpu_gate, holds_no_other_thread)
{
    uint32_t value = 0;

    set_up(1);
    cr_assert(bus_write(&r.ports, TURNSTILE, &value, sizeof(value)));
    cr_assert_eq(t.gate.held, 0);
    tear_down();
}
