/*
 * The PC's clock.
 *
 * The time is read when it is asked for. As in the chip, update-in-progress is set for the last
 * 244 us of a second: who finds it clear has that long to read all of a time that does not change.
 *
 * To set the time a guest stops the clock (SET), writes the registers and lets it go on, which is
 * where what they say becomes the difference to the host's time.
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
    REG_C = 0xc, /* which interrupts came: none */
    REG_D = 0xd,
};

#define A_UPDATING (1u << 7)
#define A_RESET    0x26u /* 32768 Hz crystal, 1024 Hz rate */
#define B_SET      (1u << 7)
#define B_BINARY   (1u << 2)
#define B_24H      (1u << 1)
#define B_WRITABLE (B_SET | B_BINARY | B_24H) /* no interrupts, square wave, summer time */
#define D_VALID    (1u << 7)
#define HOURS_PM   (1u << 7)

#define UPDATE_NS 244000u
#define DAY_S     86400

static uint64_t host_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A date and a number of days since 1970. The year begins in March, so that a leap day is its
 * last; 400 years are 146097 days. */

struct date {
    int64_t year;
    unsigned month, day;
};

static int64_t days_of(struct date d)
{
    int64_t year = d.month <= 2 ? d.year - 1 : d.year;
    unsigned month = (d.month + 9) % 12; /* 0 is March */

    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + d.day - 1 -
           719468;
}

static struct date date_of(int64_t days)
{
    struct date d;
    int64_t from_march, of_year;

    days += 719468; /* since March 1st of year 0 */
    d.year = days * 400 / 146097 + 1;
    while (days_of((struct date){ d.year, 3, 1 }) + 719468 > days)
        d.year--;
    of_year = days - (days_of((struct date){ d.year, 3, 1 }) + 719468);
    from_march = (5 * of_year + 2) / 153;
    d.day = (unsigned)(of_year - (153 * from_march + 2) / 5) + 1;
    d.month = (unsigned)((from_march + 2) % 12) + 1;
    if (d.month <= 2)
        d.year++;
    return d;
}

/* Numbers as register B wants them. */

static uint8_t number_out(const struct cmos *c, unsigned value)
{
    return (uint8_t)(c->ram[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned number_in(const struct cmos *c, uint8_t value)
{
    return c->ram[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t hours_out(const struct cmos *c, unsigned hours)
{
    if (c->ram[REG_B] & B_24H)
        return number_out(c, hours);
    return (uint8_t)(number_out(c, (hours + 11) % 12 + 1) | (hours >= 12 ? HOURS_PM : 0));
}

static unsigned hours_in(const struct cmos *c, uint8_t value)
{
    if (c->ram[REG_B] & B_24H)
        return number_in(c, value);
    return number_in(c, value & 0x7fu) % 12 + (value & HOURS_PM ? 12 : 0);
}

static bool is_stopped(const struct cmos *c)
{
    return c->ram[REG_B] & B_SET;
}

static int64_t seconds_now(const struct cmos *c)
{
    return (int64_t)(c->now_ns() / NS_PER_S) + c->ahead_s;
}

static bool is_time(uint8_t index)
{
    return index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS ||
           (index >= REG_WEEKDAY && index <= REG_YEAR) || index == CMOS_CENTURY;
}

static uint8_t time_at(const struct cmos *c, uint8_t index, int64_t seconds)
{
    int64_t days = seconds / DAY_S;
    unsigned of_day;
    struct date d;

    if (seconds < 0)
        seconds = days = 0; /* before 1970 a guest sets it only to see what comes */
    of_day = (unsigned)(seconds % DAY_S);
    d = date_of(days);
    switch (index) {
    case REG_SECONDS:
        return number_out(c, of_day % 60);
    case REG_MINUTES:
        return number_out(c, of_day / 60 % 60);
    case REG_HOURS:
        return hours_out(c, of_day / 3600);
    case REG_WEEKDAY: /* Sunday is 1; 1970 began on a Thursday */
        return number_out(c, (unsigned)((days + 4) % 7) + 1);
    case REG_DAY:
        return number_out(c, d.day);
    case REG_MONTH:
        return number_out(c, d.month);
    case REG_YEAR:
        return number_out(c, (unsigned)(d.year % 100));
    default:
        return number_out(c, (unsigned)(d.year / 100 % 100));
    }
}

/* The clock stands: its registers hold what it showed last. */
static void stop(struct cmos *c)
{
    int64_t seconds = seconds_now(c);

    for (unsigned i = 0; i < CMOS_BYTES; i++)
        if (is_time((uint8_t)i))
            c->ram[i] = time_at(c, (uint8_t)i, seconds);
}

/* The clock goes on from what the registers hold; nonsense is taken as what it adds up to. */
static void go_on(struct cmos *c)
{
    const uint8_t *r = c->ram;
    unsigned month = number_in(c, r[REG_MONTH]);
    struct date d = {
        .year = number_in(c, r[CMOS_CENTURY]) * 100 + number_in(c, r[REG_YEAR]),
        .month = month >= 1 && month <= 12 ? month : 1,
        .day = number_in(c, r[REG_DAY]),
    };
    int64_t seconds = days_of(d) * DAY_S + hours_in(c, r[REG_HOURS]) * 3600 +
                      number_in(c, r[REG_MINUTES]) * 60 + number_in(c, r[REG_SECONDS]);

    c->ahead_s = seconds - (int64_t)(c->now_ns() / NS_PER_S);
}

static void control_write(struct cmos *c, uint8_t value)
{
    bool was_stopped = is_stopped(c);

    if (was_stopped && !(value & B_SET))
        go_on(c); /* in the form that they were written in */
    c->ram[REG_B] = value & B_WRITABLE;
    if (!was_stopped && value & B_SET)
        stop(c);
}

static uint8_t status(const struct cmos *c)
{
    bool updating = !is_stopped(c) && c->now_ns() % NS_PER_S >= NS_PER_S - UPDATE_NS;

    return (uint8_t)((c->ram[REG_A] & ~A_UPDATING) | (updating ? A_UPDATING : 0));
}

static uint8_t data_read(const struct cmos *c)
{
    if (is_time(c->index) && !is_stopped(c))
        return time_at(c, c->index, seconds_now(c));
    switch (c->index) {
    case REG_A:
        return status(c);
    case REG_C:
        return 0;
    case REG_D:
        return D_VALID;
    default:
        return c->ram[c->index];
    }
}

/* The time of a clock that runs cannot be written. */
static void data_write(struct cmos *c, uint8_t value)
{
    if (c->index == REG_B)
        control_write(c, value);
    else if (!is_time(c->index) || is_stopped(c))
        c->ram[c->index] = value;
}

/* A wider access is its bytes at consecutive ports; the index cannot be read. */

static void cmos_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        bytes[i] = offset + i == 1 ? data_read((struct cmos *)d) : 0xff;
}

static void cmos_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct cmos *c = (struct cmos *)d;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i == 1)
            data_write(c, bytes[i]);
        else
            c->index = bytes[i] & (CMOS_BYTES - 1); /* bit 7 masks NMI, of which there is none */
    }
}

static const struct device_ops cmos_ops = {
    .name = "cmos",
    .read = cmos_read,
    .write = cmos_write,
};

void cmos_init(struct cmos *c)
{
    *c = (struct cmos){ .now_ns = host_now_ns };
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

/* Forty thousand years, far from any overflow. */
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
        state_refuse(&f, "the clock is set to no time there is");
    if (ram && ram[REG_B] & ~B_WRITABLE)
        state_refuse(&f, "the clock has no such mode");
    ret = state_done(&f);
    if (ret)
        return ret;
    c->index = index;
    c->ahead_s = ahead;
    memcpy(c->ram, ram, CMOS_BYTES);
    return 0;
}
