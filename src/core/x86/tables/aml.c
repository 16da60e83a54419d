/*
 * An encoder for the ACPI Machine Language.
 *
 * A length stands before what it counts, takes one to four bytes itself and counts those too (ACPI
 * 6.5, 20.2.4). Closing an object therefore moves its content up to make room for the length.
 * Contents are short and nest three deep, so each byte moves a few times at most.
 */
#include "core/x86/tables/aml.h"

#include <assert.h>
#include <string.h>

#define ZERO_OP      0x00u
#define ONE_OP       0x01u
#define NAME_OP      0x08u
#define BYTE_PREFIX  0x0au
#define WORD_PREFIX  0x0bu
#define DWORD_PREFIX 0x0cu
#define STRING_OP    0x0du
#define QWORD_PREFIX 0x0eu
#define SCOPE_OP     0x10u
#define BUFFER_OP    0x11u
#define PACKAGE_OP   0x12u
#define EXT_PREFIX   0x5bu
#define EXT_DEVICE   0x82u

/* Resource descriptors: small ones hold their length in the low three bits of the tag. */
#define RES_IRQ       0x22u /* 6.4.2.1, without flags: edge, active-high, exclusive */
#define RES_IO        0x47u /* 6.4.2.5 */
#define RES_END       0x79u /* 6.4.2.9 */
#define RES_MEMORY32  0x86u /* 6.4.3.4 */
#define RES_INTERRUPT 0x89u /* 6.4.3.6 */
#define RES_QWORD     0x8au /* 6.4.3.5.1 */

#define IO_DECODE16        0x01u
#define MEMORY_WRITABLE    0x01u
#define INTERRUPT_CONSUMER 0x01u
#define INTERRUPT_EDGE     0x02u
#define ADDRESS_CONSUMER   0x01u
#define ADDRESS_FIXED      0x0cu /* both ends */

#define NAME_SEGMENT 4u
#define LENGTH_MAX   0x0fffffffu

void aml_init(struct aml *a, void *to, size_t size)
{
    a->to = to;
    a->size = size;
    a->len = 0;
    a->overflow = false;
}

static void aml_put(struct aml *a, const void *bytes, size_t count)
{
    if (a->overflow || a->size - a->len < count) {
        a->overflow = true;
        return;
    }
    memcpy(a->to + a->len, bytes, count);
    a->len += count;
}

/* The low `count` bytes of a value, least significant first. */
static void aml_put_le(struct aml *a, uint64_t value, size_t count)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    aml_put(a, bytes, count);
}

static void aml_put_byte(struct aml *a, unsigned value)
{
    aml_put_le(a, value, 1);
}

/* Inserts bytes at offset `at` and moves up what follows. */
static void aml_insert(struct aml *a, size_t at, const uint8_t *bytes, size_t count)
{
    size_t tail = a->len - at;

    aml_put(a, bytes, count); /* only to make room */
    if (a->overflow)
        return;
    memmove(a->to + at + count, a->to + at, tail);
    memcpy(a->to + at, bytes, count);
}

static void aml_put_name(struct aml *a, const char *name)
{
    char segment[NAME_SEGMENT] = { '_', '_', '_', '_' };
    size_t len = strlen(name);

    assert(len >= 1 && len <= NAME_SEGMENT);
    memcpy(segment, name, len);
    aml_put(a, segment, sizeof(segment));
}

size_t aml_scope(struct aml *a, const char *name)
{
    size_t opened;

    aml_put_byte(a, SCOPE_OP);
    opened = a->len;
    aml_put_name(a, name);
    return opened;
}

size_t aml_device(struct aml *a, const char *name)
{
    size_t opened;

    aml_put_byte(a, EXT_PREFIX);
    aml_put_byte(a, EXT_DEVICE);
    opened = a->len;
    aml_put_name(a, name);
    return opened;
}

size_t aml_package(struct aml *a, uint8_t elements)
{
    size_t opened;

    aml_put_byte(a, PACKAGE_OP);
    opened = a->len;
    aml_put_byte(a, elements);
    return opened;
}

/* A length of one byte has six bits. In a longer one, the first byte holds the number of bytes that
 * follow (in bits 6 and 7) and the low four bits of the length; the others hold the rest. */
void aml_close(struct aml *a, size_t opened)
{
    uint8_t bytes[4];
    size_t content = a->len - opened, more = 0, length;

    if (a->overflow)
        return;
    if (content + 1 > 0x3f)
        for (more = 1; content + 1 + more >= (size_t)1 << (4 + 8 * more); more++)
            ;
    length = content + 1 + more;
    assert(length <= LENGTH_MAX);
    bytes[0] = (uint8_t)(more ? more << 6 | (length & 0xf) : length);
    for (size_t i = 1; i <= more; i++)
        bytes[i] = (uint8_t)(length >> (4 + 8 * (i - 1)));
    aml_insert(a, opened, bytes, 1 + more);
}

void aml_name(struct aml *a, const char *name)
{
    aml_put_byte(a, NAME_OP);
    aml_put_name(a, name);
}

void aml_integer(struct aml *a, uint64_t value)
{
    if (value == 0) {
        aml_put_byte(a, ZERO_OP);
    } else if (value == 1) {
        aml_put_byte(a, ONE_OP);
    } else if (value <= UINT8_MAX) {
        aml_put_byte(a, BYTE_PREFIX);
        aml_put_le(a, value, 1);
    } else if (value <= UINT16_MAX) {
        aml_put_byte(a, WORD_PREFIX);
        aml_put_le(a, value, 2);
    } else if (value <= UINT32_MAX) {
        aml_put_byte(a, DWORD_PREFIX);
        aml_put_le(a, value, 4);
    } else {
        aml_put_byte(a, QWORD_PREFIX);
        aml_put_le(a, value, 8);
    }
}

void aml_string(struct aml *a, const char *text)
{
    aml_put_byte(a, STRING_OP);
    aml_put(a, text, strlen(text) + 1);
}

static unsigned aml_hex_digit(char c)
{
    assert((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
    return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Five bits a letter and four a digit, as a 32-bit number whose bytes are then swapped (ACPI 6.5,
 * 19.3.4). */
void aml_eisaid(struct aml *a, const char *id)
{
    uint32_t value = 0;

    assert(strlen(id) == 7);
    for (unsigned i = 0; i < 3; i++) {
        assert(id[i] >= 'A' && id[i] <= 'Z');
        value = value << 5 | ((unsigned)id[i] & 0x1f);
    }
    for (unsigned i = 3; i < 7; i++)
        value = value << 4 | aml_hex_digit(id[i]);
    aml_integer(a, __builtin_bswap32(value));
}

size_t aml_resources(struct aml *a)
{
    aml_put_byte(a, BUFFER_OP);
    return a->len;
}

void aml_io(struct aml *a, uint16_t port, uint8_t len)
{
    aml_put_byte(a, RES_IO);
    aml_put_byte(a, IO_DECODE16);
    aml_put_le(a, port, 2); /* the lowest possible base, then the highest */
    aml_put_le(a, port, 2);
    aml_put_byte(a, 1); /* alignment */
    aml_put_byte(a, len);
}

void aml_irq(struct aml *a, unsigned irq)
{
    assert(irq < 16);
    aml_put_byte(a, RES_IRQ);
    aml_put_le(a, 1u << irq, 2);
}

void aml_interrupt(struct aml *a, uint32_t gsi)
{
    aml_put_byte(a, RES_INTERRUPT);
    aml_put_le(a, 6, 2); /* bytes that follow */
    aml_put_byte(a, INTERRUPT_CONSUMER | INTERRUPT_EDGE);
    aml_put_byte(a, 1); /* interrupts */
    aml_put_le(a, gsi, 4);
}

/* The short descriptor if the numbers fit it, otherwise an address space with both ends fixed. */
void aml_memory(struct aml *a, uint64_t base, uint64_t len)
{
    assert(len && base + (len - 1) >= base);
    if (base + (len - 1) <= UINT32_MAX && len <= UINT32_MAX) {
        aml_put_byte(a, RES_MEMORY32);
        aml_put_le(a, 9, 2);
        aml_put_byte(a, MEMORY_WRITABLE);
        aml_put_le(a, base, 4);
        aml_put_le(a, len, 4);
        return;
    }
    aml_put_byte(a, RES_QWORD);
    aml_put_le(a, 0x2b, 2);
    aml_put_byte(a, 0); /* memory */
    aml_put_byte(a, ADDRESS_CONSUMER | ADDRESS_FIXED);
    aml_put_byte(a, MEMORY_WRITABLE);
    aml_put_le(a, 0, 8); /* granularity */
    aml_put_le(a, base, 8);
    aml_put_le(a, base + (len - 1), 8);
    aml_put_le(a, 0, 8); /* translation */
    aml_put_le(a, len, 8);
}

/* A template is a buffer: between its length and its bytes stands its size, an integer. A checksum
 * of zero in the end tag means that there is none; compilers write it so. */
void aml_resources_close(struct aml *a, size_t opened)
{
    uint8_t bytes[9];
    struct aml size;

    aml_put_byte(a, RES_END);
    aml_put_byte(a, 0);
    aml_init(&size, bytes, sizeof(bytes));
    aml_integer(&size, a->len - opened);
    aml_insert(a, opened, bytes, size.len);
    aml_close(a, opened);
}
