/* The encoder against bytes worked out by hand from the specification. */
#include "core/x86/tables/aml.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buf[1 << 21];
static struct aml a;

static void setup(void)
{
    memset(buf, 0xcc, sizeof(buf));
    aml_init(&a, buf, sizeof(buf));
}

TestSuite(aml, .init = setup);

static void expect(const uint8_t *bytes, size_t count)
{
    cr_assert_not(a.overflow);
    cr_assert_eq(a.len, count, "%zu bytes, not %zu", a.len, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(buf[i], bytes[i], "byte %zu is %#x, not %#x", i, buf[i], bytes[i]);
    a.len = 0;
}

#define EXPECT(...) \
    expect((const uint8_t[]){ __VA_ARGS__ }, COUNT(((const uint8_t[]){ __VA_ARGS__ })))

Test(aml, integers_take_the_shortest_form)
{
    aml_integer(&a, 0);
    EXPECT(0x00);
    aml_integer(&a, 1);
    EXPECT(0x01);
    aml_integer(&a, 2);
    EXPECT(0x0a, 0x02);
    aml_integer(&a, 0xff);
    EXPECT(0x0a, 0xff);
    aml_integer(&a, 0x100);
    EXPECT(0x0b, 0x00, 0x01);
    aml_integer(&a, 0xffff);
    EXPECT(0x0b, 0xff, 0xff);
    aml_integer(&a, 0x10000);
    EXPECT(0x0c, 0x00, 0x00, 0x01, 0x00);
    aml_integer(&a, 0xffffffff);
    EXPECT(0x0c, 0xff, 0xff, 0xff, 0xff);
    aml_integer(&a, 0x1122334455667788);
    EXPECT(0x0e, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11);
}

Test(aml, strings_and_ids)
{
    aml_string(&a, "LNRO0005");
    EXPECT(0x0d, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0);
    aml_eisaid(&a, "PNP0501");
    EXPECT(0x0c, 0x41, 0xd0, 0x05, 0x01);
    aml_eisaid(&a, "PNP0A0F");
    EXPECT(0x0c, 0x41, 0xd0, 0x0a, 0x0f);
}

Test(aml, names_are_padded)
{
    aml_name(&a, "_HID");
    EXPECT(0x08, '_', 'H', 'I', 'D');
    aml_name(&a, "_S5");
    EXPECT(0x08, '_', 'S', '5', '_');
    aml_name(&a, "X");
    EXPECT(0x08, 'X', '_', '_', '_');
}

Test(aml, containers_carry_their_length)
{
    size_t scope = aml_scope(&a, "_SB");
    size_t device = aml_device(&a, "DEV0");
    aml_name(&a, "_UID");
    aml_integer(&a, 3);
    aml_close(&a, device);
    aml_close(&a, scope);
    EXPECT(0x10, 0x13, '_', 'S', 'B', '_', 0x5b, 0x82, 0x0c, 'D', 'E', 'V', '0', 0x08, '_', 'U',
           'I', 'D', 0x0a, 0x03);

    size_t package = aml_package(&a, 2);
    aml_integer(&a, 5);
    aml_integer(&a, 0);
    aml_close(&a, package);
    EXPECT(0x12, 0x05, 0x02, 0x0a, 0x05, 0x00);
}

/* On both sides of each size at which the length grows by a byte: the length counts itself, and the
 * content has moved as a whole. */
Test(aml, lengths_take_one_to_four_bytes)
{
    static const struct {
        size_t string; /* characters */
        uint8_t length[4];
        size_t bytes;
    } cases[] = {
        /* package: element count + 0x0d + characters + NUL */
        { 0x3e - 3, { 0x3f }, 1 },
        { 0x3f - 3, { 0x41, 0x04 }, 2 },
        { 0xffd - 3, { 0x4f, 0xff }, 2 },
        { 0xffe - 3, { 0x81, 0x00, 0x01 }, 3 },
        { 0xffffc - 3, { 0x8f, 0xff, 0xff }, 3 },
        { 0xffffd - 3, { 0xc1, 0x00, 0x00, 0x01 }, 4 },
    };
    char *text = malloc(1 << 20);

    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(text, 'x', cases[i].string);
        text[cases[i].string] = 0;
        a.len = 0;
        size_t package = aml_package(&a, 1);
        aml_string(&a, text);
        aml_close(&a, package);
        cr_assert_not(a.overflow);
        cr_assert_eq(buf[0], 0x12);
        cr_assert_eq(memcmp(buf + 1, cases[i].length, cases[i].bytes), 0, "case %zu", i);
        const uint8_t *content = buf + 1 + cases[i].bytes;
        cr_assert_eq(content[0], 1);
        cr_assert_eq(content[1], 0x0d);
        cr_assert_str_eq((const char *)content + 2, text);
        cr_assert_eq(a.len, 1 + cases[i].bytes + 3 + cases[i].string);
    }
    free(text);
}

Test(aml, resources_are_a_buffer_with_an_end)
{
    size_t crs = aml_resources(&a);
    aml_io(&a, 0x3f8, 8);
    aml_irq(&a, 4);
    aml_resources_close(&a, crs);
    EXPECT(0x11, 0x10, 0x0a, 0x0d, 0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08, 0x22, 0x10, 0x00,
           0x79, 0x00);

    crs = aml_resources(&a);
    aml_resources_close(&a, crs);
    EXPECT(0x11, 0x05, 0x0a, 0x02, 0x79, 0x00);
}

Test(aml, interrupts_are_edges)
{
    aml_interrupt(&a, 0x105);
    EXPECT(0x89, 0x06, 0x00, 0x03, 0x01, 0x05, 0x01, 0x00, 0x00);
    aml_irq(&a, 15);
    EXPECT(0x22, 0x00, 0x80);
}

Test(aml, memory_below_and_above_4_gib)
{
    static const uint8_t high[] = {
        0x8a, 0x2b, 0x00, 0x00, 0x0d, 0x01,       /* tag, length, memory, flags */
        0,    0,    0,    0,    0,    0,    0, 0, /* granularity */
        0x00, 0xf0, 0xff, 0xff, 0,    0,    0, 0, /* first */
        0xff, 0x0f, 0x00, 0x00, 0x01, 0,    0, 0, /* last */
        0,    0,    0,    0,    0,    0,    0, 0, /* translation */
        0x00, 0x20, 0,    0,    0,    0,    0, 0, /* length */
    };

    aml_memory(&a, 0xfffff000, 0x1000);
    EXPECT(0x86, 0x09, 0x00, 0x01, 0x00, 0xf0, 0xff, 0xff, 0x00, 0x10, 0x00, 0x00);
    aml_memory(&a, 0xfffff000, 0x2000);
    expect(high, sizeof(high));
    aml_memory(&a, 0, 1ull << 32);
    cr_assert_eq(buf[0], 0x8a, "a length that needs more than 32 bits");
}

/* A device like those of the DSDT, into every buffer that is too small: the overflow is noted, and
 * no byte is written behind the buffer. */
Test(aml, overflows_once_and_for_all)
{
    size_t needed = 0;

    for (size_t size = 0;; size++) {
        memset(buf, 0xcc, 256);
        aml_init(&a, buf, size);
        size_t device = aml_device(&a, "DEV0");
        aml_name(&a, "_HID");
        aml_string(&a, "LNRO0005");
        aml_name(&a, "_CRS");
        size_t crs = aml_resources(&a);
        aml_memory(&a, 0xc0001000, 0x1000);
        aml_resources_close(&a, crs);
        aml_close(&a, device);
        cr_assert_eq(buf[size], 0xcc);
        cr_assert_leq(a.len, size);
        if (!a.overflow) {
            needed = size;
            break;
        }
    }
    cr_assert_eq(needed, a.len, "the smallest buffer is filled to the end");
    cr_assert_eq(needed, 2 + 1 + 4 + 5 + 10 + 5 + 1 + 1 + 2 + 12 + 2);
}
