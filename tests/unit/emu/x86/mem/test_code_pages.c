/* Pages with decoded code: writes by other threads than the processors'. */
#include "emu/x86/mem/code_pages.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "emu/x86/cpu/gpr.h"
#include "emu/x86/exec.h"
#include "lib/x86/emu_rig.h"

static struct emu_rig r;

static void start(void)
{
    emu_rig_init(&r, 2);
    emu_rig_long_mode(&r);
}

static void finish(void)
{
    emu_rig_finish(&r);
}

TestSuite(code_pages, .init = start, .fini = finish);

/* mov eax, value */
static void put(gpa_t at, uint8_t value)
{
    memcpy(emu_rig_at(&r, at), (uint8_t[]){ 0xb8, value, 0, 0, 0 }, 5);
}

static uint64_t run(void)
{
    r.cpu->rip = EMU_RIG_CODE;
    (void)emu_rig_go(&r);
    return r.cpu->gpr[X86_RAX];
}

static void set_up(void)
{
    uint8_t code[5] = { 0xb8, 1 };

    (void)emu_rig_run(&r, code, sizeof(code));
    cr_assert_eq(r.cpu->gpr[X86_RAX], 1);
    cr_assert(code_page_held(r.emu, EMU_RIG_CODE));
}

Test(code_pages, what_a_device_wrote_is_executed)
{
    set_up();
    put(EMU_RIG_CODE, 2);
    accel_memory_written(r.accel, EMU_RIG_CODE, 5);
    cr_assert_eq(run(), 2);
}

Test(code_pages, a_range_may_begin_before_the_code_or_inside_it)
{
    set_up();
    put(EMU_RIG_CODE, 3);
    accel_memory_written(r.accel, EMU_RIG_CODE - 0x1000 + 1, 0x3000);
    cr_assert_eq(run(), 3);
    put(EMU_RIG_CODE, 4);
    accel_memory_written(r.accel, EMU_RIG_CODE + 1, 1);
    cr_assert_eq(run(), 4);
}

Test(code_pages, other_bytes_of_the_page_cost_no_block)
{
    set_up();
    put(EMU_RIG_CODE, 5);
    accel_memory_written(r.accel, EMU_RIG_CODE + 0x800, 0x800);
    cr_assert_eq(run(), 1, "nobody told that these bytes changed");
}

Test(code_pages, more_ranges_than_are_kept_drop_all)
{
    set_up();
    put(EMU_RIG_CODE, 6);
    for (unsigned i = 0; i < CODE_DROPS_MAX; i++)
        accel_memory_written(r.accel, EMU_RIG_CODE + 0x800, 1);
    accel_memory_written(r.accel, EMU_RIG_CODE, 5);
    cr_assert_eq(run(), 6);
}

Test(code_pages, a_write_outside_code_asks_for_nothing)
{
    set_up();
    (void)cpu_requests_take(r.cpu, CPU_REQ_CODE);
    accel_memory_written(r.accel, EMU_RIG_CODE + 0x10000, 0x10000);
    cr_assert_eq(r.cpu->request & CPU_REQ_CODE, 0);
}

static void *go(void *arg)
{
    (void)arg;
    (void)emu_rig_go(&r);
    return NULL;
}

/* The guest waits in a loop for a byte of its own code to change. */
Test(code_pages, a_running_processor_notices)
{
    /* again: mov eax, 1; dec eax; jz again. What emu_rig_run puts behind it ends the run. */
    uint8_t code[9] = { 0xb8, 1, 0, 0, 0, 0xff, 0xc8, 0x74, 0xf7 };
    pthread_t thread;

    emu_rig_write(&r, EMU_RIG_CODE, (uint8_t[]){ 0xeb, 0xfe }, 2);
    r.cpu->turns = 0;
    cpu_request(r.cpu, CPU_REQ_TURNS);
    (void)emu_rig_run(&r, code, sizeof(code));
    (void)cpu_requests_take(r.cpu, CPU_REQ_TURNS);
    cr_assert_eq(pthread_create(&thread, NULL, go, NULL), 0);
    while (!code_page_held(r.emu, EMU_RIG_CODE))
        (void)sched_yield();
    __atomic_store_n((uint8_t *)emu_rig_at(&r, EMU_RIG_CODE + 1), 7, __ATOMIC_RELEASE);
    accel_memory_written(r.accel, EMU_RIG_CODE + 1, 1);
    (void)pthread_join(thread, NULL);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 6);
}
