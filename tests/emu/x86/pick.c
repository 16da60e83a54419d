/* Random choices. */
#include "emu/x86/pick.h"

#include <string.h>

/* SplitMix64: fast, and any seed will do. */
uint64_t pick_bits(struct pick *p)
{
    uint64_t z = (p->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned pick_below(struct pick *p, unsigned limit)
{
    return (unsigned)((pick_bits(p) >> 32) * limit >> 32);
}

bool pick_chance(struct pick *p, unsigned percent)
{
    return pick_below(p, 100) < percent;
}

uint64_t pick_integer(struct pick *p)
{
    uint64_t bits = pick_bits(p);
    uint64_t power = UINT64_C(1) << (bits >> 8 & 63u);

    switch (bits & 7u) {
    case 0:
        return bits >> 60;
    case 1:
        return 0 - (bits >> 60);
    case 2:
        return power;
    case 3:
        return power - 1;
    case 4:
        return 0 - power;
    case 5:
        return pick_bits(p) >> (bits >> 8 & 63u);
    default:
        return pick_bits(p);
    }
}

/* Sign, exponent and fraction of a floating-point format, as fields of up to 64 bits. */
struct format {
    unsigned exponent_bits;
    unsigned fraction_bits;
};

static uint64_t pick_fraction(struct pick *p, unsigned bits)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1;

    switch (pick_below(p, 6)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return mask;
    case 3:
        return UINT64_C(1) << (bits - 1);
    default:
        return pick_bits(p) & mask;
    }
}

/* Zero and denormals, infinities and NaNs, values near one, the ends of the range, integers. */
static uint64_t pick_exponent(struct pick *p, unsigned bits)
{
    uint64_t top = (UINT64_C(1) << bits) - 1;

    switch (pick_below(p, 8)) {
    case 0:
        return 0;
    case 1:
        return top;
    case 2:
        return top - 1;
    case 3:
        return 1;
    case 4:
        return pick_bits(p) & top;
    default:
        return top / 2 - 4 + pick_below(p, 72) % top;
    }
}

static uint64_t pick_float(struct pick *p, struct format f)
{
    uint64_t sign = pick_below(p, 2);
    uint64_t exponent = pick_exponent(p, f.exponent_bits) & ((UINT64_C(1) << f.exponent_bits) - 1);

    return (sign << f.exponent_bits | exponent) << f.fraction_bits |
           pick_fraction(p, f.fraction_bits);
}

static const struct format half = { 5, 10 }, single = { 8, 23 }, whole = { 11, 52 };

/* Fills with one element repeated, or with different ones. */
static void fill(struct pick *p, uint8_t *to, unsigned size, unsigned width, const struct format *f)
{
    bool same = pick_chance(p, 15);
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i += width) {
        if (i == 0 || !same)
            value = f ? pick_float(p, *f) : pick_integer(p);
        memcpy(to + i, &value, size - i < width ? size - i : width);
    }
}

void pick_operand(struct pick *p, uint8_t *to, unsigned size)
{
    switch (pick_below(p, 8)) {
    case 0:
    case 1:
        fill(p, to, size, 4, &single);
        break;
    case 2:
    case 3:
        fill(p, to, size, 8, &whole);
        break;
    case 4:
        fill(p, to, size, 2, &half);
        break;
    case 5:
        fill(p, to, size, 1, NULL);
        break;
    default:
        fill(p, to, size, 8, NULL);
        break;
    }
}

/* The format has an explicit integer bit: with some exponents it makes unnormals, pseudo-denormals,
 * pseudo-infinities and pseudo-NaNs. */
void pick_extended(struct pick *p, uint8_t *to)
{
    uint64_t mantissa = pick_fraction(p, 63) | (uint64_t)!pick_chance(p, 10) << 63;
    uint16_t top = (uint16_t)(pick_exponent(p, 15) | (unsigned)pick_below(p, 2) << 15);

    if (pick_chance(p, 15)) /* a small integer */
        mantissa = UINT64_C(0x8000000000000000) | pick_bits(p) << 56;
    memcpy(to, &mantissa, sizeof(mantissa));
    memcpy(to + 8, &top, sizeof(top));
}
