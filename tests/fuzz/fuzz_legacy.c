/*
 * The 8259 pair, the 8254, the CMOS clock and the ACPI registers. Where the input is a snapshot it
 * is loaded; then the same bytes are accesses, in steps of two (what, value), at a time that the
 * steps advance.
 *
 * After every step, a vector taken from the pair is one of its own, and spurious if the pair asked
 * for nothing; the timer's next interrupt is in the future, and the number it owes is bounded; and
 * only the two commands that can end the machine do. What is saved in the end can be loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/state.h"
#include "core/dev/acpi_pm.h"
#include "core/dev/cmos.h"
#include "core/dev/pic.h"
#include "core/dev/pit.h"
#include "core/vm/power.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

static struct pic pic;
static struct pit pit;
static struct cmos cmos;
static struct acpi_pm pm;
static struct state_writer w;
static struct state_reader r;
static struct err e;
static uint64_t now;
static enum power_end ended;

static uint64_t scripted_now(void)
{
    return now;
}

static void note_end(struct power *p, enum power_end why)
{
    (void)p;
    ended = why;
}

static struct power power = { .end = note_end };

static void load(const uint8_t *data, size_t size)
{
    if (state_open(&r, data, size, &e) < 0)
        return;
    if (state_has_section(&r, "pic"))
        (void)pic_load(&pic, &r, &e);
    if (state_has_section(&r, "pit"))
        (void)pit_load(&pit, &r, now, &e);
    if (state_has_section(&r, "cmos"))
        (void)cmos_load(&cmos, &r, &e);
    if (state_has_section(&r, "acpi_pm"))
        (void)acpi_pm_load(&pm, &r, &e);
}

static void save_and_load(void)
{
    state_begin(&w);
    pic_save(&pic, &w);
    pit_save(&pit, &w, now);
    cmos_save(&cmos, &w);
    acpi_pm_save(&pm, &w);
    NEED(state_end(&w, 0, &e) == 0);
    NEED(state_open(&r, w.data, w.len, &e) == 0);
    NEED(pic_load(&pic, &r, &e) == 0);
    NEED(pit_load(&pit, &r, now, &e) == 0);
    NEED(cmos_load(&cmos, &r, &e) == 0);
    NEED(acpi_pm_load(&pm, &r, &e) == 0);
    NEED(state_close(&r, &e) == 0);
}

static void take(void)
{
    bool asks = pic_asks(&pic);
    uint8_t vector = pic_take(&pic);

    NEED((vector & 0xf8u) == pic.chip[0].base || (vector & 0xf8u) == pic.chip[1].base);
    NEED(asks || vector % 8 == 7);
}

static void access_ports(uint8_t what, uint8_t value)
{
    static const uint16_t pics[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
    unsigned n = what & 15u;

    if (n < 6)
        pic_write(&pic, pics[n], value);
    else if (n < 10)
        pit_write(&pit, (uint16_t)(PIT_FIRST + n - 6), value, now);
    else if (n == 10)
        pit_write(&pit, PIT_PORT61, value, now);
    else if (n < 13)
        cmos.device.ops->write(&cmos.device, n - 11, &value, 1);
    else
        pm.device.ops->write(&pm.device, value % 7u, &what, 1);
    for (unsigned i = 0; i < 6; i++)
        (void)pic_read(&pic, pics[i]);
    (void)pit_read(&pit, (uint16_t)(PIT_FIRST + value % 4u), now);
    (void)pit_read(&pit, PIT_PORT61, now);
    cmos.device.ops->read(&cmos.device, 1, &value, 1);
}

/* Advances the time, and has the timer count what it owes if an interrupt was due by then. */
static void wait(uint8_t value)
{
    uint64_t due = pit_next(&pit, now);

    now += (uint64_t)1 << value % 44u;
    if (due > now)
        return;
    pit_owe(&pit, due, now);
    NEED(pit.owed > 0 && pit.owed <= PIT_HZ + 1);
}

static void step(uint8_t what, uint8_t value)
{
    switch (what >> 4) {
    case 0:
        pic_pulse(&pic, value % PIC_INPUTS);
        break;
    case 1:
        take();
        break;
    case 2:
        wait(value);
        break;
    default:
        access_ports(what, value);
        break;
    }
    NEED(pit_next(&pit, now) > now);
    NEED(ended == POWER_NONE || ended == POWER_OFF || ended == POWER_RESET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    now = UINT64_C(1) << 60;
    ended = POWER_NONE;
    pic_init(&pic);
    pit_init(&pit);
    cmos_init(&cmos);
    cmos.now_ns = scripted_now;
    acpi_pm_init(&pm, &power);
    load(data, size);
    for (size_t i = 0; i + 1 < size && now < UINT64_C(1) << 61; i += 2)
        step(data[i], data[i + 1]);
    save_and_load();
    acpi_pm_finish(&pm);
    cmos_finish(&cmos);
    return 0;
}
