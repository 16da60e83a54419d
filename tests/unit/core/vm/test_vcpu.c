/* vCPU threads: how they start, park, die and end, one behaviour at a time; storms are in
 * tests/threads/. */
#include "core/vm/vcpu.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/forbid.h"
#include "lib/vm/rig.h"

static const struct scripted_step ring_then_sleep[] = {
    { SCRIPTED_OUT, RIG_BELL, 4, 0x1234 },
    { SCRIPTED_SLEEP, 0, 0, 0 },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

static const struct scripted_step ring_then_spin[] = {
    { SCRIPTED_OUT, RIG_BELL, 1, 1 },
    { SCRIPTED_SPIN, 0, 0, 0 },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

/* Calls look for each thread of this process that has the name; returns how many there are. */
static unsigned threads_named(const char *name, void (*look)(const char *dir))
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned found = 0;

    for (struct dirent *d; (d = readdir(tasks));) {
        char path[512];
        char comm[32] = "";
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", d->d_name);
        f = fopen(path, "r");
        if (!f)
            continue;
        if (fgets(comm, sizeof(comm), f))
            comm[strcspn(comm, "\n")] = '\0';
        (void)fclose(f);
        if (strcmp(comm, name) != 0)
            continue;
        found++;
        path[strlen(path) - strlen("comm")] = '\0';
        if (look)
            look(path);
    }
    (void)closedir(tasks);
    return found;
}

Test(vcpu, parked_until_resumed)
{
    struct rig r;

    rig_start(&r, 2);
    cr_assert_eq(r.vcpus.count, 2);
    vcpus_pause(&r.vcpus); /* already parked: returns at once */
    cr_assert_eq(scripted_vcpu(r.accel, 0)->runs, 0);
    cr_assert_eq(scripted_vcpu(r.accel, 1)->runs, 0);
    rig_finish(&r);
}

Test(vcpu, finish_without_a_single_run)
{
    struct rig r;

    rig_start(&r, VCPUS_MAX);
    cr_assert_eq(atomic_load(&scripted_alive), 1 + VCPUS_MAX);
    rig_finish(&r);
    cr_assert_eq(r.timeline.at_ns[TIMELINE_GUEST], 0, "no guest ever ran");
}

Test(vcpu, finish_accepts_zeroed)
{
    struct vcpus v = { 0 };

    vcpus_finish(&v);
}

Test(vcpu, resume_runs_and_pause_stops_a_sleeper)
{
    struct rig r;
    struct scripted_vcpu *v;

    rig_start(&r, 1);
    v = scripted_vcpu(r.accel, 0);
    v->script = ring_then_sleep;
    for (unsigned round = 1; round <= 3; round++) {
        vcpus_resume(&r.vcpus);
        bell_wait(&r.bell);
        vcpus_pause(&r.vcpus);
        cr_assert_not(atomic_load(&v->inside));
        cr_assert_eq(r.bell.writes, round);
        cr_assert_eq(v->kicks, round);
    }
    cr_assert_eq(r.bell.last, 0x1234);
    rig_finish(&r);
}

Test(vcpu, pause_stops_one_that_spins)
{
    struct rig r;
    struct scripted_vcpu *v;

    rig_start(&r, 1);
    v = scripted_vcpu(r.accel, 0);
    v->script = ring_then_spin;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    vcpus_pause(&r.vcpus);
    cr_assert_not(atomic_load(&v->inside));
    cr_assert_eq(v->steps, 2);
    rig_finish(&r);
}

Test(vcpu, finish_stops_what_runs)
{
    struct rig r;

    rig_start(&r, 2);
    scripted_vcpu(r.accel, 0)->script = ring_then_sleep;
    scripted_vcpu(r.accel, 1)->script = ring_then_spin;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    bell_wait(&r.bell);
    rig_finish(&r);
    cr_assert_eq(r.why, POWER_NONE);
}

/* A kick that no pause asked for ends the run, and another begins. */
Test(vcpu, stray_kick_runs_on)
{
    struct rig r;
    struct scripted_vcpu *v;

    rig_start(&r, 1);
    v = scripted_vcpu(r.accel, 0);
    v->script = ring_then_sleep;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    v->vcpu.ops->kick(&v->vcpu);
    (void)pthread_kill(r.vcpus.vcpu[0].thread, VCPU_SIGNAL);
    bell_wait(&r.bell);
    cr_assert_eq(v->runs, 2);
    rig_finish(&r);
}

Test(vcpu, stray_signal_does_not_even_end_the_run)
{
    struct rig r;
    struct scripted_vcpu *v;

    rig_start(&r, 1);
    v = scripted_vcpu(r.accel, 0);
    v->script = ring_then_sleep;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    (void)pthread_kill(r.vcpus.vcpu[0].thread, VCPU_SIGNAL);
    vcpus_pause(&r.vcpus);
    cr_assert_eq(v->runs, 1);
    cr_assert_eq(r.bell.writes, 1);
    rig_finish(&r);
}

Test(vcpu, guest_is_marked_by_the_first_run_only)
{
    struct rig r;
    uint64_t first;

    rig_start(&r, 1);
    scripted_vcpu(r.accel, 0)->script = ring_then_sleep;
    cr_assert_eq(r.timeline.at_ns[TIMELINE_GUEST], 0);
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    first = r.timeline.at_ns[TIMELINE_GUEST];
    cr_assert_neq(first, 0);
    vcpus_pause(&r.vcpus);
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    cr_assert_eq(r.timeline.at_ns[TIMELINE_GUEST], first);
    rig_finish(&r);
}

static void expect_death(const struct scripted_step *script, enum power_end why)
{
    struct rig r;
    struct scripted_vcpu *v;

    rig_start(&r, 2);
    v = scripted_vcpu(r.accel, 1);
    v->script = script;
    scripted_vcpu(r.accel, 0)->script = ring_then_sleep;
    vcpus_resume(&r.vcpus);
    (void)sem_wait(&r.ended);
    cr_assert_eq(r.why, why);
    bell_wait(&r.bell); /* the other one lives */
    vcpus_pause(&r.vcpus);
    cr_assert_eq(v->runs, 1);

    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    vcpus_pause(&r.vcpus);
    cr_assert_eq(v->runs, 1, "the dead one does not run again");
    cr_assert_eq(sem_trywait(&r.ended), -1, "and it ended the machine once");
    rig_finish(&r);
}

Test(vcpu, triple_fault_ends_the_machine)
{
    static const struct scripted_step script[] = { { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };

    expect_death(script, POWER_TRIPLE_FAULT);
}

Test(vcpu, failure_ends_the_machine)
{
    static const struct scripted_step script[] = { { SCRIPTED_FAIL, 0, 0, 0 } };

    expect_death(script, POWER_FAILED);
}

Test(vcpu, scripts_reach_memory_and_buses)
{
    static const struct scripted_step script[] = {
        { SCRIPTED_IN, RIG_BELL, 8, 0 },
        { SCRIPTED_OUT, RIG_BELL, 2, 7 },
        { SCRIPTED_IN, RIG_BELL, 1, 1 },
        { SCRIPTED_IN, 0x80, 1, 0xff },
        { SCRIPTED_STORE, 0x1000, 8, 0x1122334455667788 },
        { SCRIPTED_LOAD, 0x1004, 4, 0x11223344 },
        { SCRIPTED_LOAD, 0xfee00000, 4, 0xffffffff },
        { SCRIPTED_LOAD, 0x1000, 4, 0xbad }, /* the one surprise */
        { SCRIPTED_OUT, RIG_BELL, 1, 2 },
        { SCRIPTED_HALT, 0, 0, 0 },
    };
    struct rig r;
    uint64_t value = 0;

    rig_start(&r, 1);
    scripted_vcpu(r.accel, 0)->script = script;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    bell_wait(&r.bell);
    vcpus_pause(&r.vcpus);
    cr_assert_eq(scripted_vcpu(r.accel, 0)->surprises, 1);
    cr_assert(mem_read(&r.mem, 0x1000, &value, 8));
    cr_assert_eq(value, 0x1122334455667788);
    rig_finish(&r);
}

Test(vcpu, threads_bear_the_names_that_orchestrators_pin)
{
    struct rig r;

    rig_start(&r, VCPUS_MAX);
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        scripted_vcpu(r.accel, i)->script = ring_then_sleep;
    vcpus_resume(&r.vcpus);
    for (unsigned i = 0; i < VCPUS_MAX; i++)
        bell_wait(&r.bell);
    for (unsigned i = 0; i < VCPUS_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "fc_vcpu %u", i);
        cr_assert_eq(threads_named(name, NULL), 1, "%s", name);
    }
    rig_finish(&r);
    cr_assert_eq(threads_named("fc_vcpu 0", NULL), 0);
}

static void look_at_signals(const char *dir)
{
    char path[600];
    char line[256];
    unsigned long long blocked = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%sstatus", dir);
    f = fopen(path, "r");
    while (fgets(line, sizeof(line), f))
        (void)sscanf(line, "SigBlk: %llx", &blocked);
    (void)fclose(f);

    for (int i = 0; i < 3; i++) {
        int wanted[] = { SIGTERM, SIGINT, SIGWINCH };

        cr_assert(blocked & 1ull << (wanted[i] - 1), "signal %d is blocked, for the loop thread",
                  wanted[i]);
    }
    cr_assert_not(blocked & 1ull << (VCPU_SIGNAL - 1));
    cr_assert_not(blocked & 1ull << (SIGSEGV - 1));
}

Test(vcpu, signals_are_left_to_the_loop_thread)
{
    struct rig r;
    struct sigaction action;

    rig_start(&r, 1);
    scripted_vcpu(r.accel, 0)->script = ring_then_spin;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    cr_assert_eq(threads_named("fc_vcpu 0", look_at_signals), 1);

    (void)sigaction(VCPU_SIGNAL, NULL, &action);
    cr_assert_neq(action.sa_handler, SIG_DFL);
    cr_assert_not(action.sa_flags & SA_RESTART);
    rig_finish(&r);
}

Test(vcpu, creation_that_fails_leaves_nothing)
{
    static const unsigned ids[] = { 0, 1, 31 };

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct rig r;
        struct err e = { 0 };
        char expect[64];

        rig_init(&r, VCPUS_MAX);
        scripted_faults = (struct scripted_faults){ .vcpu = true, .vcpu_id = ids[i] };
        cr_assert_eq(vcpus_init(&r.vcpus, r.accel, VCPUS_MAX, &r.power, &r.timeline, &e), -EIO);
        (void)snprintf(expect, sizeof(expect), "vCPU %u: the script says", ids[i]);
        cr_assert(strstr(e.text, expect), "%s", e.text);
        cr_assert_eq(atomic_load(&scripted_alive), 1, "the accelerator alone");
        cr_assert_eq(r.vcpus.count, 0);
        rig_finish(&r);
    }
}

/* Root is exempt from the limit, so root becomes another user first. Only the soft limit is
 * lowered, and it is raised again for the threads that a sanitizer starts at the end. */
Test(vcpu, thread_that_does_not_start_leaves_nothing)
{
    struct rig r;
    struct err e = { 0 };
    struct rlimit limit;
    rlim_t soft;

    rig_init(&r, VCPUS_MAX);
    if (geteuid() == 0) {
        cr_assert_eq(setresuid(54321, 54321, 54321), 0);
        cr_assert_eq(prctl(PR_SET_DUMPABLE, 1), 0);
    }
    cr_assert_eq(getrlimit(RLIMIT_NPROC, &limit), 0);
    soft = limit.rlim_cur;
    limit.rlim_cur = 4;
    cr_assert_eq(setrlimit(RLIMIT_NPROC, &limit), 0);
    cr_assert_eq(vcpus_init(&r.vcpus, r.accel, VCPUS_MAX, &r.power, &r.timeline, &e), -EAGAIN);
    limit.rlim_cur = soft;
    cr_assert_eq(setrlimit(RLIMIT_NPROC, &limit), 0);

    cr_assert(strstr(e.text, "cannot start its thread: "), "%s", e.text);
    cr_assert_eq(atomic_load(&scripted_alive), 1, "the accelerator alone");
    rig_finish(&r);
}

/* If they started, the C library would abort. */
Test(vcpu, threads_that_may_not_wait_do_not_start)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct rig r;
        struct err e = { 0 };

        rig_init(&r, 2);
        forbid(SYS_futex, EPERM);
        if (vcpus_init(&r.vcpus, r.accel, 2, &r.power, &r.timeline, &e) != -EPERM)
            _exit(1);
        _exit(strstr(e.text, "cannot use futexes") ? 0 : 2);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%x", status);
}

/* Before the first run. */

static uint64_t mips;

Test(vcpu, is_probed_on_its_own_thread_and_parked_again)
{
    struct rig r;
    struct err e = { "" };
    struct scripted_vcpu *first;

    rig_start(&r, 2);
    first = scripted_vcpu(r.accel, 0);
    cr_assert_eq(vcpus_probe(&r.vcpus, 60000000000u, &mips, &e), 0, "%s", e.text);
    cr_assert_eq(first->probes, 1);
    cr_assert_eq(mips, SCRIPTED_MIPS);
    cr_assert(pthread_equal(first->probed_by, r.vcpus.vcpu[0].thread));
    cr_assert_eq(scripted_vcpu(r.accel, 1)->probes, 0);
    cr_assert_eq(r.vcpus.want, VCPUS_PARKED);
    cr_assert_eq(atomic_load(&first->runs), 0);
    cr_assert_eq(r.timeline.at_ns[TIMELINE_GUEST], 0, "a probe is not the guest");

    first->script = ring_then_sleep;
    vcpus_resume(&r.vcpus);
    bell_wait(&r.bell);
    cr_assert_eq(first->probes, 1);
    rig_finish(&r);
}

Test(vcpu, returns_what_the_probe_found)
{
    struct rig r;
    struct err e = { "" };

    rig_start(&r, 1);
    scripted_faults.probe = true;
    cr_assert_eq(vcpus_probe(&r.vcpus, 60000000000u, &mips, &e), -EIO);
    cr_assert_str_eq(e.text, "the script says that the probe fails");
    cr_assert_eq(scripted_vcpu(r.accel, 0)->kicks, 0);
    cr_assert_eq(vcpus_probe(&r.vcpus, 60000000000u, &mips, NULL), -EIO,
                 "again, without a struct err");
    cr_assert_eq(atomic_load(&r.ends), 0, "the machine has not ended");
    rig_finish(&r);
}

Test(vcpu, ends_a_probe_at_its_limit)
{
    struct rig r;
    struct err e = { "" };

    rig_start(&r, 1);
    scripted_faults.probe_hangs = true;
    cr_assert_eq(vcpus_probe(&r.vcpus, 1, &mips, &e), -EIO);
    cr_assert_eq(scripted_vcpu(r.accel, 0)->kicks, 1);
    cr_assert_eq(r.vcpus.want, VCPUS_PARKED);
    rig_finish(&r);
}

/* The scripted processor's table, but without a probe. */
static struct accel_vcpu_ops without_probe;

Test(vcpu, passes_without_a_probe)
{
    struct rig r;
    struct scripted_vcpu *first;

    rig_start(&r, 1);
    first = scripted_vcpu(r.accel, 0);
    without_probe = *first->vcpu.ops;
    without_probe.probe = NULL;
    first->vcpu.ops = &without_probe;
    scripted_faults.probe = true;
    cr_assert_eq(vcpus_probe(&r.vcpus, 1, &mips, NULL), 0);
    cr_assert_eq(first->probes, 0);
    cr_assert_eq(mips, 0);
    rig_finish(&r);
}
