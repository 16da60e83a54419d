/* Storms on vCPU threads, for ThreadSanitizer to watch: from 1 to 32 processors, and no step that
 * waits for time to pass. */
#include "core/vm/vcpu.h"

#include "lib/check.h"
#include "lib/vm/rig.h"

static const unsigned counts[] = { 1, 2, 3, 8, VCPUS_MAX };

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static const struct scripted_step ring_and_sleep[] = {
    { SCRIPTED_OUT, RIG_BELL, 4, 1 },
    { SCRIPTED_SLEEP, 0, 0, 0 },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

static const struct scripted_step spin[] = {
    { SCRIPTED_SPIN, 0, 0, 0 },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

static const struct scripted_step hammer[] = {
    { SCRIPTED_OUT, RIG_BELL, 8, 1 },
    { SCRIPTED_STORE, 0x1000, 1, 1 },
    { SCRIPTED_IN, 0x80, 1, 0xff },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

static const struct scripted_step die[] = { { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };

/* Sleepers, spinners and one that accesses a device without end. */
static void script_mixed(struct rig *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct scripted_vcpu *v = scripted_vcpu(r->accel, i);

        v->script = i == 0 ? hammer : i % 2 ? ring_and_sleep : spin;
    }
}

/* Writes the device's state without its lock: a pause must be enough for that. */
static void check_parked(struct rig *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(!atomic_load(&scripted_vcpu(r->accel, i)->inside));
    r->bell.writes = 0;
}

static void storm(unsigned count)
{
    struct rig r;

    rig_start(&r, count);
    script_mixed(&r, count);
    for (int round = 0; round < 200; round++) {
        vcpus_resume(&r.vcpus);
        if (round % 3 == 0)
            bell_wait(&r.bell);
        if (round % 5 == 0)
            vcpus_resume(&r.vcpus);
        vcpus_pause(&r.vcpus);
        check_parked(&r, count);
        if (round % 7 == 0)
            vcpus_pause(&r.vcpus);
    }
    CHECK(atomic_load(&r.ends) == 0);
    rig_finish(&r);
}

static void finish_while_running(unsigned count)
{
    for (int round = 0; round < 10; round++) {
        struct rig r;

        rig_start(&r, count);
        script_mixed(&r, count);
        vcpus_resume(&r.vcpus);
        if (round % 2)
            bell_wait(&r.bell);
        rig_finish(&r);
    }
}

/* Every processor ends the machine at the same time; each says so once, and all can be parked. */
static void all_die(unsigned count)
{
    struct rig r;

    rig_start(&r, count);
    for (unsigned i = 0; i < count; i++)
        scripted_vcpu(r.accel, i)->script = die;
    vcpus_resume(&r.vcpus);
    for (unsigned i = 0; i < count; i++)
        CHECK(sem_wait(&r.ended) == 0);
    vcpus_pause(&r.vcpus);
    check_parked(&r, count);
    vcpus_resume(&r.vcpus);
    vcpus_pause(&r.vcpus);
    CHECK(atomic_load(&r.ends) == count);
    CHECK(atomic_load(&r.why) == POWER_TRIPLE_FAULT);
    rig_finish(&r);
}

static void pause_races_with_death(unsigned count)
{
    for (int round = 0; round < 20; round++) {
        struct rig r;

        rig_start(&r, count);
        script_mixed(&r, count);
        for (unsigned i = 0; i < count; i += 2)
            scripted_vcpu(r.accel, i)->script = die;
        vcpus_resume(&r.vcpus);
        vcpus_pause(&r.vcpus);
        check_parked(&r, count);
        vcpus_resume(&r.vcpus);
        for (unsigned i = 0; i < count; i += 2)
            CHECK(sem_wait(&r.ended) == 0);
        vcpus_pause(&r.vcpus);
        CHECK(atomic_load(&r.ends) == (count + 1) / 2);
        rig_finish(&r);
    }
}

int main(void)
{
    for (size_t i = 0; i < COUNTS; i++) {
        storm(counts[i]);
        finish_while_running(counts[i]);
        all_die(counts[i]);
        pause_races_with_death(counts[i]);
    }
    return 0;
}
