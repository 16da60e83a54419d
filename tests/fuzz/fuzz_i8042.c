/*
 * The keyboard controller under any accesses: steps of two bytes (what, value).
 *
 * After every step, an output buffer that has become full with its interrupt enabled has raised the
 * line, and the queue is bounded. In the end a bounded number of reads empties it. Only the two
 * commands that can reset the machine do.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/dev/i8042.h"
#include "core/vm/irq.h"
#include "core/vm/power.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

static struct i8042 kbd;
static unsigned irqs, resets;

static void count_irq(struct irq_line *l)
{
    (void)l;
    irqs++;
}

static void count_reset(struct power *p, enum power_end why)
{
    (void)p;
    NEED(why == POWER_RESET);
    resets++;
}

static void out(unsigned at, uint8_t value)
{
    kbd.device.ops->write(&kbd.device, at, &value, 1);
}

static uint8_t in(unsigned at)
{
    uint8_t value;

    kbd.device.ops->read(&kbd.device, at, &value, 1);
    return value;
}

static void access(unsigned what, uint8_t value)
{
    unsigned before = resets;
    uint8_t waits_for = kbd.command;

    switch (what & 7) {
    case 0:
        out(0, value);
        NEED(resets == before || (waits_for == 0xd1 && !(value & 1)));
        break;
    case 1:
        out(4, value);
        NEED(resets == before || (value >= 0xf0 && !(value & 1)));
        break;
    case 2:
        (void)in(0);
        break;
    case 3:
        (void)in(4);
        break;
    case 4:
        (void)i8042_ctrl_alt_del(&kbd);
        break;
    default: {
        unsigned size = 1u << (what >> 3 & 1);
        uint64_t data = value;
        kbd.device.ops->read(&kbd.device, value % (I8042_LEN - size + 1), &data, size);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct irq_line line = { .raise = count_irq };
    struct power power = { .end = count_reset };

    resets = 0;
    i8042_init(&kbd, &line, &power);
    for (size_t i = 0; i + 2 <= size && i < 2 * 1024; i += 2) {
        uint8_t was_full = in(4) & 1;
        irqs = 0;
        access(data[i], data[i + 1]);
        NEED(was_full || !(in(4) & 1) || !(kbd.control & 1) || irqs);
        NEED(kbd.tail - kbd.head <= I8042_KEYS);
    }
    out(4, 0xae);
    for (unsigned i = 0; i < I8042_KEYS + 1; i++)
        (void)in(0);
    NEED(!(in(4) & 1));
    i8042_finish(&kbd);
    return 0;
}
