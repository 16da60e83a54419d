/*
 * The pvpanic port: any writes, then any bytes as its state.
 *
 * The first byte says how many of the next ones are written, each as one access; the rest is the
 * state. Only a panic ends the machine, the port always reads the same events, and a restore that
 * fails changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/state.h"
#include "core/dev/pvpanic.h"
#include "core/vm/power.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

static struct pvpanic p;
static unsigned ends;

static void count_end(struct power *power, enum power_end why)
{
    (void)power;
    NEED(why == POWER_PANIC);
    ends++;
}

static void access(uint8_t value)
{
    unsigned before = ends;
    uint8_t events = 0xff;

    p.device.ops->write(&p.device, 0, &value, 1);
    NEED(ends - before == (value & 1));
    p.device.ops->read(&p.device, 0, &events, 1);
    NEED(events == 3);
}

static void restore(const uint8_t *data, size_t size)
{
    static struct state_reader r;
    const uint8_t before = p.seen;
    struct err e = { "" };

    if (state_open(&r, data, size, &e) < 0)
        return;
    if (pvpanic_load(&p, &r, &e) < 0)
        NEED(e.text[0] != '\0' && p.seen == before);
    NEED(p.seen <= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct power power = { .end = count_end };
    size_t writes = size > 0 ? data[0] : 0;

    if (size < 1 + writes)
        return 0;
    ends = 0;
    pvpanic_init(&p, &power);
    for (size_t i = 1; i <= writes; i++)
        access(data[i]);
    restore(data + 1 + writes, size - 1 - writes);
    pvpanic_finish(&p);
    return 0;
}
