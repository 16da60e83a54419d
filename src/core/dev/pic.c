/* The pair of 8259A interrupt controllers. */
#include "core/dev/pic.h"

#include "core/base/state.h"

#define CASCADE 2u /* the input of the first chip that the second drives */

#define ICW1          (1u << 4)
#define ICW1_WITH_4   (1u << 0)
#define ICW1_SINGLE   (1u << 1)
#define ICW4_AUTO_EOI (1u << 1)
#define ICW4_NESTED   (1u << 4)

#define OCW3             (1u << 3)
#define OCW3_READ        (1u << 1)
#define OCW3_ISR         (1u << 0)
#define OCW3_POLL        (1u << 2)
#define OCW3_SET_MASKING (1u << 6)
#define OCW3_MASKING     (1u << 5)

/* The bits that can be set. The inputs of the timer, keyboard, cascade, clock and coprocessor are
 * always edge-triggered. */
static const uint8_t elcr_writable[2] = { 0xf8, 0xde };

void pic_init(struct pic *p)
{
    *p = (struct pic){ .chip = { { .step = PIC_FRESH }, { .step = PIC_FRESH } } };
}

/* Of a chip's `pending` inputs, the one that may interrupt now, or -1. The first chip has the other
 * at its cascade input. In special fully nested mode an interrupt in service at that input does not
 * keep out another one from the second chip. */
static int pic_chip_request(const struct pic_chip *c, uint8_t pending, bool is_first)
{
    unsigned asking, serving;

    if (c->step != PIC_READY)
        return -1;
    asking = pending & ~c->imr & 0xffu;
    serving = c->unmasking ? c->isr & ~c->imr & 0xffu : c->isr;
    for (unsigned i = 0; i < 8; i++) {
        unsigned line = (c->first + i) & 7u;
        bool shared = is_first && line == CASCADE && c->nested;

        if ((serving >> line & 1u) && !shared)
            return -1;
        if (asking >> line & 1u)
            return (int)line;
        if (serving >> line & 1u)
            return -1;
    }
    return -1;
}

/* The inputs of chip n with a pending request, masked ones included. The second chip's request is a
 * level at the cascade input: it is pending for as long as the second chip requests. */
static uint8_t pic_pending(const struct pic *p, unsigned n)
{
    bool cascade = n == 0 && pic_chip_request(&p->chip[1], p->chip[1].irr, false) >= 0;

    return (uint8_t)(p->chip[n].irr | (cascade ? 1u << CASCADE : 0));
}

/* The input of chip n that may interrupt now, or -1. */
static int pic_request(const struct pic *p, unsigned n)
{
    return pic_chip_request(&p->chip[n], pic_pending(p, n), n == 0);
}

bool pic_asks(const struct pic *p)
{
    return pic_request(p, 0) >= 0;
}

bool pic_in_use(const struct pic *p)
{
    return p->chip[0].step != PIC_FRESH;
}

void pic_pulse(struct pic *p, unsigned line)
{
    struct pic_chip *c = &p->chip[line / 8];

    if (c->step != PIC_FRESH)
        c->irr |= (uint8_t)(1u << line % 8);
}

bool pic_keeps(const struct pic *p, unsigned line)
{
    const struct pic_chip *c = &p->chip[line / 8];

    return c->step != PIC_FRESH && !(c->irr >> line % 8 & 1u);
}

static void pic_chip_serve(struct pic_chip *c, unsigned line)
{
    c->irr &= (uint8_t) ~(1u << line);
    if (!c->auto_eoi)
        c->isr |= (uint8_t)(1u << line);
    else if (c->auto_rotate)
        c->first = (line + 1) & 7u;
}

uint8_t pic_take(struct pic *p)
{
    int line = pic_request(p, 0);
    int second;

    if (line < 0)
        return p->chip[0].base + 7u;
    if (line != CASCADE) {
        pic_chip_serve(&p->chip[0], (unsigned)line);
        return (uint8_t)(p->chip[0].base + (unsigned)line);
    }
    second = pic_request(p, 1);
    pic_chip_serve(&p->chip[0], CASCADE);
    if (second < 0)
        return p->chip[1].base + 7u;
    pic_chip_serve(&p->chip[1], (unsigned)second);
    return (uint8_t)(p->chip[1].base + (unsigned)second);
}

/* ICW1: begins the initialisation. */
static void pic_chip_begin(struct pic_chip *c, uint8_t icw1)
{
    *c = (struct pic_chip){
        .elcr = c->elcr,
        .base = c->base,
        .step = PIC_ICW2,
        .single = icw1 & ICW1_SINGLE,
        .wants_icw4 = icw1 & ICW1_WITH_4,
    };
}

/* The input in service with the highest priority, which a non-specific EOI ends; -1 if there is
 * none. */
static int pic_chip_highest_served(const struct pic_chip *c)
{
    unsigned serving = c->unmasking ? c->isr & ~c->imr & 0xffu : c->isr;

    for (unsigned i = 0; i < 8; i++)
        if (serving >> ((c->first + i) & 7u) & 1u)
            return (int)((c->first + i) & 7u);
    return -1;
}

/* OCW2: bit 5 is EOI, bit 6 says that bits 0 to 2 name the input, bit 7 is rotation. */
static void pic_chip_end_interrupt(struct pic_chip *c, uint8_t value)
{
    bool eoi = value & 1u << 5;
    bool numbered = value & 1u << 6;
    bool rotate = value & 1u << 7;
    int line = numbered ? value & 7 : pic_chip_highest_served(c);

    if (!eoi && !numbered) {
        c->auto_rotate = rotate;
        return;
    }
    if (line < 0)
        return;
    if (eoi)
        c->isr &= (uint8_t) ~(1u << line);
    if (rotate)
        c->first = (uint8_t)((line + 1) & 7);
}

static void pic_chip_command(struct pic_chip *c, uint8_t value)
{
    if (value & ICW1) {
        pic_chip_begin(c, value);
    } else if (value & OCW3) {
        if (value & OCW3_POLL)
            c->polled = true;
        if (value & OCW3_READ)
            c->reads_isr = value & OCW3_ISR;
        if (value & OCW3_SET_MASKING)
            c->unmasking = value & OCW3_MASKING;
    } else {
        pic_chip_end_interrupt(c, value);
    }
}

static void pic_chip_data(struct pic_chip *c, uint8_t value)
{
    switch (c->step) {
    case PIC_ICW2:
        c->base = value & 0xf8u;
        c->step = !c->single ? PIC_ICW3 : c->wants_icw4 ? PIC_ICW4 : PIC_READY;
        break;
    case PIC_ICW3: /* ignored: the wiring is fixed */
        c->step = c->wants_icw4 ? PIC_ICW4 : PIC_READY;
        break;
    case PIC_ICW4:
        c->auto_eoi = value & ICW4_AUTO_EOI;
        c->nested = value & ICW4_NESTED;
        c->step = PIC_READY;
        break;
    default:
        c->imr = value;
        break;
    }
}

/* After a poll command a read acknowledges the interrupt. */
static uint8_t pic_poll(struct pic *p, unsigned n)
{
    int line = pic_request(p, n);

    p->chip[n].polled = false;
    if (line < 0)
        return 0;
    pic_chip_serve(&p->chip[n], (unsigned)line);
    return (uint8_t)(0x80u | (unsigned)line);
}

bool pic_claims(uint16_t port)
{
    return (port & ~1u) == PIC_FIRST || (port & ~1u) == PIC_SECOND || (port & ~1u) == PIC_ELCR;
}

uint8_t pic_read(struct pic *p, uint16_t port)
{
    unsigned n = (port & ~1u) == PIC_ELCR ? port & 1u : (port & ~1u) == PIC_SECOND;
    const struct pic_chip *c = &p->chip[n];

    if ((port & ~1u) == PIC_ELCR)
        return c->elcr;
    if (c->polled)
        return pic_poll(p, n);
    if (port & 1u)
        return c->imr;
    return c->reads_isr ? c->isr : pic_pending(p, n);
}

void pic_write(struct pic *p, uint16_t port, uint8_t value)
{
    unsigned n = (port & ~1u) == PIC_SECOND;

    if ((port & ~1u) == PIC_ELCR)
        p->chip[port & 1u].elcr = value & elcr_writable[port & 1u];
    else if (port & 1u)
        pic_chip_data(&p->chip[n], value);
    else
        pic_chip_command(&p->chip[n], value);
}

/* The snapshot section. The second chip's fields have the numbers of the first's, plus FIELDS. */

enum field {
    FIELD_IRR,
    FIELD_ISR,
    FIELD_IMR,
    FIELD_ELCR,
    FIELD_BASE,
    FIELD_FIRST,
    FIELD_STEP,
    FIELD_MODES,
    FIELDS = 16,
};

#define MODES 8u

/* The flags that FIELD_MODES holds, from bit 0 up. */
static void pic_chip_modes(struct pic_chip *c, bool *modes[MODES])
{
    bool *const all[MODES] = { &c->single, &c->wants_icw4, &c->auto_eoi,  &c->auto_rotate,
                               &c->nested, &c->unmasking,  &c->reads_isr, &c->polled };

    for (unsigned i = 0; i < MODES; i++)
        modes[i] = all[i];
}

static void pic_chip_save(struct pic_chip c, unsigned first, struct state_writer *w)
{
    const uint8_t values[] = { c.irr, c.isr, c.imr, c.elcr, c.base, c.first, c.step };
    bool *modes[MODES];
    uint8_t bits = 0;

    pic_chip_modes(&c, modes);
    for (unsigned i = 0; i < MODES; i++)
        bits |= (uint8_t)((*modes[i] ? 1u : 0u) << i);
    for (unsigned i = 0; i < sizeof(values); i++)
        state_put_u8(w, (uint16_t)(first + i), values[i]);
    state_put_u8(w, (uint16_t)(first + FIELD_MODES), bits);
}

void pic_save(const struct pic *p, struct state_writer *w)
{
    state_section(w, "pic", 1, 0);
    for (unsigned n = 0; n < 2; n++)
        pic_chip_save(p->chip[n], n * FIELDS, w);
}

static uint8_t pic_field_get(struct state_fields *f, unsigned field, uint8_t max)
{
    return (uint8_t)state_get(f, (uint16_t)field, max);
}

static void pic_chip_load(struct pic_chip *c, unsigned n, struct state_fields *f)
{
    unsigned first = n * FIELDS;
    bool *modes[MODES];
    uint8_t bits;

    c->irr = pic_field_get(f, first + FIELD_IRR, 0xff);
    c->isr = pic_field_get(f, first + FIELD_ISR, 0xff);
    c->imr = pic_field_get(f, first + FIELD_IMR, 0xff);
    c->elcr = pic_field_get(f, first + FIELD_ELCR, 0xff);
    c->base = pic_field_get(f, first + FIELD_BASE, 0xf8);
    c->first = pic_field_get(f, first + FIELD_FIRST, 7);
    c->step = pic_field_get(f, first + FIELD_STEP, PIC_FRESH);
    bits = pic_field_get(f, first + FIELD_MODES, 0xff);
    pic_chip_modes(c, modes);
    for (unsigned i = 0; i < MODES; i++)
        *modes[i] = bits >> i & 1u;
    if ((c->elcr & ~elcr_writable[n]) || c->base % 8)
        state_refuse(f, "an interrupt controller's register has bits set that do not exist");
}

int pic_load(struct pic *p, struct state_reader *r, struct err *e)
{
    struct state_fields f = state_find(r, "pic", 1, e);
    struct pic loaded = { 0 };
    int ret;

    for (unsigned n = 0; n < 2; n++)
        pic_chip_load(&loaded.chip[n], n, &f);
    ret = state_done(&f);
    if (ret == 0)
        *p = loaded;
    return ret;
}
