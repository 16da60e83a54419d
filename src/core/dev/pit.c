/* The 8254 and port 0x61. */
#include "core/dev/pit.h"

#include "core/base/clock.h"
#include "core/base/state.h"

#define READ_BACK   3u
#define NOT_COUNT   (1u << 5) /* in a read-back command: does not latch the count */
#define NOT_STATUS  (1u << 4) /* likewise the status */
#define STATUS_OUT  (1u << 7)
#define STATUS_NULL (1u << 6) /* no count has been loaded since the mode was set */

#define PORT61_GATE    (1u << 0)
#define PORT61_SPEAKER (1u << 1)
#define PORT61_REFRESH (1u << 4)
#define PORT61_OUT     (1u << 5)

#define REFRESH_NS 15085u /* the PC/AT's DRAM refresh, by which software times short waits */

void pit_init(struct pit *p)
{
    *p = (struct pit){ 0 };
    for (unsigned n = 0; n < PIT_COUNTERS; n++)
        p->counter[n] =
            (struct pit_counter){ .access = PIT_BOTH, .gate = n != 2, .count = 0x10000 };
}

static bool counter_is_periodic(const struct pit_counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

static bool counter_wants_trigger(const struct pit_counter *c)
{
    return c->mode == 1 || c->mode == 5;
}

/* How many ticks the counter has counted. */
static uint64_t counter_ticks(const struct pit_counter *c, uint64_t now_ns)
{
    uint64_t until = c->stopped_ns ? c->stopped_ns : now_ns;

    if (until <= c->started_ns)
        return 0;
    return (uint64_t)((unsigned __int128)(until - c->started_ns) * PIT_HZ / NS_PER_S);
}

/* When the counter has counted `tick` ticks: the first nanosecond for which counter_ticks gives
 * that. PIT_NEVER where it is too far off. */
static uint64_t counter_tick_ns(const struct pit_counter *c, uint64_t tick)
{
    unsigned __int128 ns = ((unsigned __int128)tick * NS_PER_S + PIT_HZ - 1) / PIT_HZ;

    return ns > PIT_NEVER / 2 ? PIT_NEVER : c->started_ns + (uint64_t)ns;
}

static bool counter_output(const struct pit_counter *c, uint64_t now_ns)
{
    uint64_t gone = counter_ticks(c, now_ns);

    if (!c->counting)
        return c->mode != 0;
    switch (c->mode) {
    case 0:
    case 1:
        return gone >= c->count;
    case 2:
        return c->stopped_ns || gone % c->count != c->count - 1;
    case 3:
        return c->stopped_ns || gone % c->count < (c->count + 1) / 2;
    default:
        return gone != c->count;
    }
}

static uint16_t pit_bcd_encode(uint32_t value)
{
    return (uint16_t)(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 |
                      value / 1000 % 10 << 12);
}

/* What a read of the counter gives when nothing is latched. */
static uint16_t counter_current(const struct pit_counter *c, uint64_t now_ns)
{
    uint64_t gone = c->counting ? counter_ticks(c, now_ns) : 0;
    uint32_t round = c->decimal ? 10000 : 0x10000;
    uint32_t left;

    if (c->mode == 2)
        left = c->count - (uint32_t)(gone % c->count);
    else if (c->mode == 3)
        left = c->count - (uint32_t)(2 * gone % c->count);
    else
        left = (c->count + round - (uint32_t)(gone % round)) % round;
    return c->decimal ? pit_bcd_encode(left % round) : (uint16_t)left;
}

static uint32_t counter_count_decode(const struct pit_counter *c, uint16_t written)
{
    uint32_t value = written;

    if (c->decimal)
        value = (written & 15u) + (written >> 4 & 15u) * 10 + (written >> 8 & 15u) * 100 +
                (written >> 12) * 1000u;
    if (value == 0)
        value = c->decimal ? 10000 : 0x10000;
    return value;
}

/* In the modes that wait for a trigger, writing a count starts nothing. The new count replaces the
 * old one at once; in the chip the old one would stay until the trigger. */
static void counter_count_write(struct pit_counter *c, uint16_t written, uint64_t now_ns)
{
    c->count = counter_count_decode(c, written);
    if (counter_wants_trigger(c))
        return;
    c->counting = true;
    c->started_ns = now_ns;
    c->stopped_ns = c->gate ? 0 : now_ns;
}

static void counter_byte_write(struct pit_counter *c, uint8_t value, uint64_t now_ns)
{
    if (c->access == PIT_LOW) {
        counter_count_write(c, value, now_ns);
    } else if (c->access == PIT_HIGH) {
        counter_count_write(c, (uint16_t)(value << 8), now_ns);
    } else if (c->write_high) {
        c->write_high = false;
        counter_count_write(c, (uint16_t)(c->low | value << 8), now_ns);
    } else {
        c->low = value;
        c->write_high = true;
        if (c->mode == 0)
            c->counting = false; /* "writing the first byte disables counting" */
    }
}

static uint8_t counter_byte_read(struct pit_counter *c, uint64_t now_ns)
{
    uint16_t value;

    if (c->has_status) {
        c->has_status = false;
        return c->status;
    }
    if (c->latched_bytes & PIT_LOW) {
        c->latched_bytes &= (uint8_t)~PIT_LOW;
        return (uint8_t)c->latched;
    }
    if (c->latched_bytes & PIT_HIGH) {
        c->latched_bytes = 0;
        return (uint8_t)(c->latched >> 8);
    }
    value = counter_current(c, now_ns);
    if (c->access == PIT_BOTH)
        c->read_high = !c->read_high; /* for the next read: this one returns the other byte */
    if (c->access == PIT_HIGH || (c->access == PIT_BOTH && !c->read_high))
        return (uint8_t)(value >> 8);
    return (uint8_t)value;
}

static void counter_count_latch(struct pit_counter *c, uint64_t now_ns)
{
    if (c->latched_bytes)
        return; /* the first latch holds until it is read */
    c->latched = counter_current(c, now_ns);
    c->latched_bytes = c->access;
    c->read_high = false;
}

static void counter_status_latch(struct pit_counter *c, uint64_t now_ns)
{
    if (c->has_status)
        return;
    c->has_status = true;
    c->status =
        (uint8_t)((counter_output(c, now_ns) ? STATUS_OUT : 0) | (c->counting ? 0 : STATUS_NULL) |
                  (unsigned)c->access << 4 | (unsigned)c->mode << 1 | c->decimal);
}

static void pit_read_back(struct pit *p, uint8_t value, uint64_t now_ns)
{
    for (unsigned n = 0; n < PIT_COUNTERS; n++) {
        if (!(value >> (n + 1) & 1u))
            continue;
        if (!(value & NOT_COUNT))
            counter_count_latch(&p->counter[n], now_ns);
        if (!(value & NOT_STATUS))
            counter_status_latch(&p->counter[n], now_ns);
    }
}

static void pit_command(struct pit *p, uint8_t value, uint64_t now_ns)
{
    struct pit_counter *c;
    uint8_t mode = value >> 1 & 7u;

    if (value >> 6 == READ_BACK) {
        pit_read_back(p, value, now_ns);
        return;
    }
    c = &p->counter[value >> 6];
    if ((value >> 4 & 3u) == 0) {
        counter_count_latch(c, now_ns);
        return;
    }
    if (c == &p->counter[0])
        p->owed = 0;
    *c = (struct pit_counter){
        .mode = mode > 5 ? mode - 4 : mode, /* 6 and 7 mean 2 and 3 */
        .access = value >> 4 & 3u,
        .decimal = value & 1u,
        .gate = c->gate,
        .count = c->count,
    };
}

/* In modes 1 and 5, opening the gate is the trigger and shutting it does nothing. In the others,
 * shutting it stops the counter; opening it starts modes 2 and 3 afresh and resumes 0 and 4. */
static void counter_gate_set(struct pit_counter *c, bool open, uint64_t now_ns)
{
    if (c->gate == open)
        return;
    c->gate = open;
    if (counter_wants_trigger(c)) {
        if (open) {
            c->counting = true;
            c->started_ns = now_ns;
        }
    } else if (!open) {
        c->stopped_ns = now_ns;
    } else {
        c->started_ns = counter_is_periodic(c) ? now_ns : c->started_ns + (now_ns - c->stopped_ns);
        c->stopped_ns = 0;
    }
}

static uint8_t pit_port61_read(const struct pit *p, uint64_t now_ns)
{
    const struct pit_counter *c = &p->counter[2];

    return (uint8_t)((c->gate ? PORT61_GATE : 0) | (p->speaker ? PORT61_SPEAKER : 0) |
                     (now_ns / REFRESH_NS % 2 ? PORT61_REFRESH : 0) |
                     (counter_output(c, now_ns) ? PORT61_OUT : 0));
}

bool pit_claims(uint16_t port)
{
    return (port & ~3u) == PIT_FIRST || port == PIT_PORT61;
}

uint8_t pit_read(struct pit *p, uint16_t port, uint64_t now_ns)
{
    if (port == PIT_PORT61)
        return pit_port61_read(p, now_ns);
    if (port == PIT_COMMAND)
        return 0xff; /* cannot be read */
    return counter_byte_read(&p->counter[port - PIT_FIRST], now_ns);
}

void pit_write(struct pit *p, uint16_t port, uint8_t value, uint64_t now_ns)
{
    if (port == PIT_PORT61) {
        p->speaker = value & PORT61_SPEAKER;
        counter_gate_set(&p->counter[2], value & PORT61_GATE, now_ns);
    } else if (port == PIT_COMMAND) {
        pit_command(p, value, now_ns);
    } else {
        counter_byte_write(&p->counter[port - PIT_FIRST], value, now_ns);
        if (port == PIT_FIRST)
            p->owed = 0;
    }
}

uint64_t pit_next(const struct pit *p, uint64_t after_ns)
{
    const struct pit_counter *c = &p->counter[0];
    uint64_t once;

    if (!c->counting || counter_wants_trigger(c))
        return PIT_NEVER;
    if (counter_is_periodic(c))
        return counter_tick_ns(c, (counter_ticks(c, after_ns) / c->count + 1) * c->count);
    once = counter_tick_ns(c, c->mode == 0 ? c->count : c->count + 1);
    return once > after_ns ? once : PIT_NEVER;
}

void pit_owe(struct pit *p, uint64_t due_ns, uint64_t now_ns)
{
    const struct pit_counter *c = &p->counter[0];
    uint64_t rises = 1, most = 1;

    if (counter_is_periodic(c)) {
        rises += (counter_ticks(c, now_ns) - counter_ticks(c, due_ns)) / c->count;
        most += PIT_HZ / c->count;
    }
    rises += p->owed;
    p->owed = (uint32_t)(rises < most ? rises : most);
}

/* The snapshot section. Counter n's fields have these numbers plus n * FIELDS. */

enum field {
    FIELD_MODE,
    FIELD_ACCESS,
    FIELD_FLAGS,
    FIELD_COUNT,
    FIELD_STARTED, /* ns ago */
    FIELD_STOPPED, /* ns ago */
    FIELD_LOW,
    FIELD_LATCHED_BYTES,
    FIELD_LATCHED,
    FIELD_STATUS,
    FIELDS = 16,
    FIELD_SPEAKER = PIT_COUNTERS * FIELDS,
    FIELD_OWED,
};

enum flag {
    FLAG_DECIMAL = 1 << 0,
    FLAG_GATE = 1 << 1,
    FLAG_COUNTING = 1 << 2,
    FLAG_STOPPED = 1 << 3,
    FLAG_WRITE_HIGH = 1 << 4,
    FLAG_READ_HIGH = 1 << 5,
    FLAG_HAS_STATUS = 1 << 6,
    FLAGS = (1 << 7) - 1,
};

static void counter_save(const struct pit_counter *c, unsigned first, struct state_writer *w,
                         uint64_t now_ns)
{
    uint8_t flags =
        (uint8_t)((c->decimal ? FLAG_DECIMAL : 0) | (c->gate ? FLAG_GATE : 0) |
                  (c->counting ? FLAG_COUNTING : 0) | (c->stopped_ns ? FLAG_STOPPED : 0) |
                  (c->write_high ? FLAG_WRITE_HIGH : 0) | (c->read_high ? FLAG_READ_HIGH : 0) |
                  (c->has_status ? FLAG_HAS_STATUS : 0));

    state_put_u8(w, (uint16_t)(first + FIELD_MODE), c->mode);
    state_put_u8(w, (uint16_t)(first + FIELD_ACCESS), c->access);
    state_put_u8(w, (uint16_t)(first + FIELD_FLAGS), flags);
    state_put_u32(w, (uint16_t)(first + FIELD_COUNT), c->count);
    state_put_u64(w, (uint16_t)(first + FIELD_STARTED),
                  now_ns > c->started_ns ? now_ns - c->started_ns : 0);
    state_put_u64(w, (uint16_t)(first + FIELD_STOPPED),
                  now_ns > c->stopped_ns ? now_ns - c->stopped_ns : 0);
    state_put_u8(w, (uint16_t)(first + FIELD_LOW), c->low);
    state_put_u8(w, (uint16_t)(first + FIELD_LATCHED_BYTES), c->latched_bytes);
    state_put_u16(w, (uint16_t)(first + FIELD_LATCHED), c->latched);
    state_put_u8(w, (uint16_t)(first + FIELD_STATUS), c->status);
}

void pit_save(const struct pit *p, struct state_writer *w, uint64_t now_ns)
{
    state_section(w, "pit", 1, 0);
    for (unsigned n = 0; n < PIT_COUNTERS; n++)
        counter_save(&p->counter[n], n * FIELDS, w, now_ns);
    state_put_u8(w, FIELD_SPEAKER, p->speaker);
    state_put_u32(w, FIELD_OWED, p->owed);
}

/* The time so many ns ago; 1 where that was before this host's clock began, because 0 in stopped_ns
 * means that the counter is not stopped. */
static uint64_t pit_ns_ago(uint64_t now_ns, uint64_t ns)
{
    return ns < now_ns ? now_ns - ns : 1;
}

static void counter_load(struct pit_counter *c, unsigned first, struct state_fields *f,
                         uint64_t now_ns)
{
    uint8_t flags;

    c->mode = (uint8_t)state_get(f, (uint16_t)(first + FIELD_MODE), 5);
    c->access = (uint8_t)state_get(f, (uint16_t)(first + FIELD_ACCESS), PIT_BOTH);
    flags = (uint8_t)state_get(f, (uint16_t)(first + FIELD_FLAGS), FLAGS);
    c->count = (uint32_t)state_get(f, (uint16_t)(first + FIELD_COUNT), 0x10000);
    c->started_ns = pit_ns_ago(now_ns, state_get(f, (uint16_t)(first + FIELD_STARTED), UINT64_MAX));
    c->stopped_ns = pit_ns_ago(now_ns, state_get(f, (uint16_t)(first + FIELD_STOPPED), UINT64_MAX));
    c->low = (uint8_t)state_get(f, (uint16_t)(first + FIELD_LOW), 0xff);
    c->latched_bytes = (uint8_t)state_get(f, (uint16_t)(first + FIELD_LATCHED_BYTES), PIT_BOTH);
    c->latched = (uint16_t)state_get(f, (uint16_t)(first + FIELD_LATCHED), 0xffff);
    c->status = (uint8_t)state_get(f, (uint16_t)(first + FIELD_STATUS), 0xff);
    c->decimal = flags & FLAG_DECIMAL;
    c->gate = flags & FLAG_GATE;
    c->counting = flags & FLAG_COUNTING;
    c->write_high = flags & FLAG_WRITE_HIGH;
    c->read_high = flags & FLAG_READ_HIGH;
    c->has_status = flags & FLAG_HAS_STATUS;
    if (!(flags & FLAG_STOPPED))
        c->stopped_ns = 0;
    if (c->access == 0 || c->count == 0)
        state_refuse(f, "a timer's counter has an access mode or a count of 0");
    if (c->stopped_ns && c->stopped_ns < c->started_ns)
        c->stopped_ns = c->started_ns;
}

int pit_load(struct pit *p, struct state_reader *r, uint64_t now_ns, struct err *e)
{
    struct state_fields f = state_find(r, "pit", 1, e);
    struct pit loaded = { 0 };
    int ret;

    for (unsigned n = 0; n < PIT_COUNTERS; n++)
        counter_load(&loaded.counter[n], n * FIELDS, &f, now_ns);
    loaded.speaker = state_get(&f, FIELD_SPEAKER, 1);
    loaded.owed = (uint32_t)state_get(&f, FIELD_OWED, PIT_HZ + 1);
    ret = state_done(&f);
    if (ret == 0)
        *p = loaded;
    return ret;
}
