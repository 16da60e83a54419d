/* pvpanic: one register, whose bits are events. */
#include "core/dev/pvpanic.h"

#include <string.h>

#include "core/base/state.h"
#include "core/vm/power.h"

#define SECTION "pvpanic"
#define VERSION 1u
#define EVENTS  (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

enum pvpanic_field { FIELD_SEEN };

static void pvpanic_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    const uint8_t events = EVENTS;

    (void)d, (void)offset;
    memset(data, 0, size);
    memcpy(data, &events, sizeof(events));
}

static void pvpanic_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct pvpanic *p = (struct pvpanic *)d;
    uint8_t events;

    (void)offset, (void)size;
    memcpy(&events, data, sizeof(events));
    p->seen |= events & EVENTS;
    if (events & PVPANIC_PANICKED)
        power_end_machine(p->power, POWER_PANIC);
}

static const struct device_ops pvpanic_ops = {
    .name = "pvpanic",
    .read = pvpanic_read,
    .write = pvpanic_write,
};

void pvpanic_init(struct pvpanic *p, struct power *power)
{
    device_init(&p->device, &pvpanic_ops);
    p->power = power;
    p->seen = 0;
}

void pvpanic_finish(struct pvpanic *p)
{
    device_finish(&p->device);
}

void pvpanic_save(const struct pvpanic *p, struct state_writer *w)
{
    state_section(w, SECTION, VERSION, 0);
    state_put_u8(w, FIELD_SEEN, p->seen);
}

int pvpanic_load(struct pvpanic *p, struct state_reader *r, struct err *e)
{
    struct state_fields f = state_find(r, SECTION, VERSION, e);
    const uint8_t seen = (uint8_t)state_get(&f, FIELD_SEEN, EVENTS);
    int ret = state_done(&f);

    if (ret == 0)
        p->seen = seen;
    return ret;
}
