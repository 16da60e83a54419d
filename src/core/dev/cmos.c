/*
 * The PC's clock.
 *
 * A read of a time register computes it from the time of that moment. As in the chip,
 * update-in-progress is set for the last 244 us of a second: a guest that finds it clear has that
 * long to read all the time registers before they change.
 *
 * To set the time, a guest stops the clock (SET), writes the registers and lets the clock run on.
 * At that moment the registers become the new difference from the host's time.
 */
#include "core/dev/cmos.h"

#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/state.h"

enum reg {
    REG_SECONDS = 0x0,
    REG_MINUTES = 0x2,
    REG_HOURS = 0x4,
    REG_WEEKDAY = 0x6,
    REG_DAY = 0x7,
    REG_MONTH = 0x8,
    REG_YEAR = 0x9,
    REG_A = 0xa,
    REG_B = 0xb,
    REG_C = 0xc, /* which interrupts are pending: none */
    REG_D = 0xd,
};

#define A_UPDATING (1u << 7)
#define A_RESET    0x26u /* 32768 Hz crystal, 1024 Hz rate */
#define B_SET      (1u << 7)
#define B_BINARY   (1u << 2)
#define B_24H      (1u << 1)
#define B_WRITABLE (B_SET | B_BINARY | B_24H) /* no interrupts, square wave or summer time */
#define D_VALID    (1u << 7)
#define HOURS_PM   (1u << 7)

#define UPDATE_NS 244000u
#define DAY_S     86400

static uint64_t cmos_host_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Converts between a date and a number of days since 1970. For the arithmetic a year begins in
 * March, so that a leap day is its last day; 400 years are 146097 days. */

struct date {
    int64_t year;
    unsigned month, day;
};

static int64_t date_to_days(struct date d)
{
    int64_t year = d.month <= 2 ? d.year - 1 : d.year;
    unsigned month = (d.month + 9) % 12; /* 0 is March */

    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + d.day - 1 -
           719468;
}

static struct date date_from_days(int64_t days)
{
    struct date d;
    int64_t from_march, of_year;

    days += 719468; /* since March 1st of year 0 */
    d.year = days * 400 / 146097 + 1;
    while (date_to_days((struct date){ d.year, 3, 1 }) + 719468 > days)
        d.year--;
    of_year = days - (date_to_days((struct date){ d.year, 3, 1 }) + 719468);
    from_march = (5 * of_year + 2) / 153;
    d.day = (unsigned)(of_year - (153 * from_march + 2) / 5) + 1;
    d.month = (unsigned)((from_march + 2) % 12) + 1;
    if (d.month <= 2)
        d.year++;
    return d;
}

/* Numbers and hours in the format that register B selects: BCD or binary, 24 hours or 12. */

static uint8_t cmos_number_out(const struct cmos *c, unsigned value)
{
    return (uint8_t)(c->ram[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned cmos_number_in(const struct cmos *c, uint8_t value)
{
    return c->ram[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t cmos_hours_out(const struct cmos *c, unsigned hours)
{
    if (c->ram[REG_B] & B_24H)
        return cmos_number_out(c, hours);
    return (uint8_t)(cmos_number_out(c, (hours + 11) % 12 + 1) | (hours >= 12 ? HOURS_PM : 0));
}

static unsigned cmos_hours_in(const struct cmos *c, uint8_t value)
{
    if (c->ram[REG_B] & B_24H)
        return cmos_number_in(c, value);
    return cmos_number_in(c, value & 0x7fu) % 12 + (value & HOURS_PM ? 12 : 0);
}

static bool cmos_is_stopped(const struct cmos *c)
{
    return c->ram[REG_B] & B_SET;
}

static int64_t cmos_seconds_now(const struct cmos *c)
{
    return (int64_t)(c->now_ns() / NS_PER_S) + c->ahead_s;
}

static bool cmos_is_time(uint8_t index)
{
    return index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS ||
           (index >= REG_WEEKDAY && index <= REG_YEAR) || index == CMOS_CENTURY;
}

static uint8_t cmos_time_at(const struct cmos *c, uint8_t index, int64_t seconds)
{
    int64_t days = seconds / DAY_S;
    unsigned of_day;
    struct date d;

    /* A time before 1970 reads as the start of 1970. Only a guest that tests its clock sets one. */
    if (seconds < 0)
        seconds = days = 0;
    of_day = (unsigned)(seconds % DAY_S);
    d = date_from_days(days);
    switch (index) {
    case REG_SECONDS:
        return cmos_number_out(c, of_day % 60);
    case REG_MINUTES:
        return cmos_number_out(c, of_day / 60 % 60);
    case REG_HOURS:
        return cmos_hours_out(c, of_day / 3600);
    case REG_WEEKDAY: /* Sunday is 1; 1970 began on a Thursday */
        return cmos_number_out(c, (unsigned)((days + 4) % 7) + 1);
    case REG_DAY:
        return cmos_number_out(c, d.day);
    case REG_MONTH:
        return cmos_number_out(c, d.month);
    case REG_YEAR:
        return cmos_number_out(c, (unsigned)(d.year % 100));
    default:
        return cmos_number_out(c, (unsigned)(d.year / 100 % 100));
    }
}

/* Stops the clock: its registers keep what it showed last. */
static void cmos_stop(struct cmos *c)
{
    int64_t seconds = cmos_seconds_now(c);

    for (unsigned i = 0; i < CMOS_BYTES; i++)
        if (cmos_is_time((uint8_t)i))
            c->ram[i] = cmos_time_at(c, (uint8_t)i, seconds);
}

/* Lets the clock run on from what the registers hold. Values out of range simply add up, but for
 * the month: one that does not exist counts as January. */
static void cmos_resume(struct cmos *c)
{
    const uint8_t *r = c->ram;
    unsigned month = cmos_number_in(c, r[REG_MONTH]);
    struct date d = {
        .year = cmos_number_in(c, r[CMOS_CENTURY]) * 100 + cmos_number_in(c, r[REG_YEAR]),
        .month = month >= 1 && month <= 12 ? month : 1,
        .day = cmos_number_in(c, r[REG_DAY]),
    };
    int64_t seconds = date_to_days(d) * DAY_S + cmos_hours_in(c, r[REG_HOURS]) * 3600 +
                      cmos_number_in(c, r[REG_MINUTES]) * 60 + cmos_number_in(c, r[REG_SECONDS]);

    c->ahead_s = seconds - (int64_t)(c->now_ns() / NS_PER_S);
}

static void cmos_control_write(struct cmos *c, uint8_t value)
{
    bool was_stopped = cmos_is_stopped(c);

    if (was_stopped && !(value & B_SET))
        cmos_resume(c); /* before the format changes: the registers are in the old one */
    c->ram[REG_B] = value & B_WRITABLE;
    if (!was_stopped && value & B_SET)
        cmos_stop(c);
}

static uint8_t cmos_reg_a_read(const struct cmos *c)
{
    bool updating = !cmos_is_stopped(c) && c->now_ns() % NS_PER_S >= NS_PER_S - UPDATE_NS;

    return (uint8_t)((c->ram[REG_A] & ~A_UPDATING) | (updating ? A_UPDATING : 0));
}

static uint8_t cmos_data_read(const struct cmos *c)
{
    if (cmos_is_time(c->index) && !cmos_is_stopped(c))
        return cmos_time_at(c, c->index, cmos_seconds_now(c));
    switch (c->index) {
    case REG_A:
        return cmos_reg_a_read(c);
    case REG_C:
        return 0;
    case REG_D:
        return D_VALID;
    default:
        return c->ram[c->index];
    }
}

/* The time can be written only while the clock is stopped. */
static void cmos_data_write(struct cmos *c, uint8_t value)
{
    if (c->index == REG_B)
        cmos_control_write(c, value);
    else if (!cmos_is_time(c->index) || cmos_is_stopped(c))
        c->ram[c->index] = value;
}

/* A wider access counts as byte accesses to consecutive ports. The index cannot be read. */

static void cmos_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        bytes[i] = offset + i == 1 ? cmos_data_read((struct cmos *)d) : 0xff;
}

static void cmos_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct cmos *c = (struct cmos *)d;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i == 1)
            cmos_data_write(c, bytes[i]);
        else
            c->index = bytes[i] & (CMOS_BYTES - 1); /* bit 7 masks the NMI; there is none */
    }
}

static const struct device_ops cmos_ops = {
    .name = "cmos",
    .read = cmos_read,
    .write = cmos_write,
};

void cmos_init(struct cmos *c)
{
    *c = (struct cmos){ .now_ns = cmos_host_now_ns };
    device_init(&c->device, &cmos_ops);
    c->ram[REG_A] = A_RESET;
    c->ram[REG_B] = B_24H;
}

void cmos_finish(struct cmos *c)
{
    device_finish(&c->device);
}

enum field {
    FIELD_INDEX,
    FIELD_AHEAD,
    FIELD_BYTES,
};

/* Seconds: 35,000 years, far from any overflow. */
#define AHEAD_MAX (INT64_C(1) << 40)

void cmos_save(const struct cmos *c, struct state_writer *w)
{
    state_section(w, "cmos", 1, 0);
    state_put_u8(w, FIELD_INDEX, c->index);
    state_put_u64(w, FIELD_AHEAD, (uint64_t)c->ahead_s);
    state_put(w, FIELD_BYTES, c->ram, sizeof(c->ram));
}

int cmos_load(struct cmos *c, struct state_reader *r, struct err *e)
{
    struct state_fields f = state_find(r, "cmos", 1, e);
    uint8_t index = (uint8_t)state_get(&f, FIELD_INDEX, CMOS_BYTES - 1);
    int64_t ahead = (int64_t)state_get(&f, FIELD_AHEAD, UINT64_MAX);
    const uint8_t *ram = state_get_bytes(&f, FIELD_BYTES, CMOS_BYTES);
    int ret;

    if (ahead < -AHEAD_MAX || ahead > AHEAD_MAX)
        state_refuse(&f, "the clock's difference from the host's is out of range");
    if (ram && ram[REG_B] & ~B_WRITABLE)
        state_refuse(&f, "register B has bits set that the clock does not have");
    ret = state_done(&f);
    if (ret)
        return ret;
    c->index = index;
    c->ahead_s = ahead;
    memcpy(c->ram, ram, CMOS_BYTES);
    return 0;
}
