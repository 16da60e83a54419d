/*
 * Snapshot records.
 *
 * The writer appends to one buffer. The reader works on the bytes in place, with a cursor for each
 * section; its list of sections is the only table. A state of a few devices is written in a few
 * microseconds. Because field numbers ascend, no two fields of a section can have the same number,
 * and a search can end early.
 */
#include "core/base/state.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/base/err.h"

#define ALIGN     8u
#define SIZE_MIN  4096u
#define MAGIC     "motestat"
#define MAGIC_LEN 8u

struct wire_header {
    char magic[MAGIC_LEN];
    uint16_t version;
    uint16_t flags;
    uint32_t crc;
    uint64_t len;
};
static_assert(sizeof(struct wire_header) == 24, "as state.h says");

struct wire_section {
    uint32_t len;
    uint16_t version;
    uint8_t flags;
    uint8_t name_len;
};
static_assert(sizeof(struct wire_section) == 8, "as state.h says");

struct wire_field {
    uint16_t number;
    uint16_t zero;
    uint32_t len;
};
static_assert(sizeof(struct wire_field) == 8, "as state.h says");

static uint64_t state_padded(uint64_t len)
{
    return (len + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static uint32_t state_crc(const uint8_t *data, size_t len)
{
    return (uint32_t)crc32_z(0, data + sizeof(struct wire_header),
                             len - sizeof(struct wire_header));
}

/* The name must be printable because messages quote it. */
static bool section_name_is_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '\'')
            return false;
    return len > 0 && len <= STATE_NAME_MAX;
}

/* Writing. */

/* Appends `len` zeroed bytes and padding. Returns NULL once anything has failed. */
static uint8_t *state_extend(struct state_writer *w, uint64_t len)
{
    uint64_t need = w->len + state_padded(len);
    uint8_t *at;

    if (w->failed || len > UINT32_MAX) {
        w->failed = true;
        return NULL;
    }
    if (need > w->size) {
        size_t size = need > 2 * w->size ? need : 2 * w->size;
        uint8_t *data = realloc(w->data, size < SIZE_MIN ? SIZE_MIN : size);
        if (!data) {
            w->failed = true;
            return NULL;
        }
        w->data = data;
        w->size = size < SIZE_MIN ? SIZE_MIN : size;
    }
    at = w->data + w->len;
    memset(at, 0, state_padded(len));
    w->len = need;
    return at;
}

/* Fills in the open section's length, now that its fields are complete. */
static void section_end(struct state_writer *w)
{
    uint64_t len = w->len - w->section - sizeof(struct wire_section);
    uint32_t le = htole32((uint32_t)len);

    if (w->section == 0 || w->failed)
        return;
    if (len > UINT32_MAX)
        w->failed = true;
    else
        memcpy(w->data + w->section + offsetof(struct wire_section, len), &le, sizeof(le));
}

void state_begin(struct state_writer *w)
{
    w->len = 0;
    w->section = 0;
    w->failed = false;
    (void)state_extend(w, sizeof(struct wire_header));
}

void state_section(struct state_writer *w, const char *name, uint16_t version, uint8_t flags)
{
    size_t name_len = strlen(name);
    const struct wire_section section = { .version = htole16(version),
                                          .flags = flags,
                                          .name_len = (uint8_t)name_len };
    uint8_t *at;

    assert(section_name_is_valid(name, name_len));
    section_end(w);
    w->section = w->len;
    w->last = 0;
    at = state_extend(w, sizeof(section) + name_len);
    if (!at)
        return;
    memcpy(at, &section, sizeof(section));
    memcpy(at + sizeof(section), name, name_len);
}

void state_put(struct state_writer *w, uint16_t field, const void *bytes, size_t len)
{
    const struct wire_field f = { .number = htole16(field), .len = htole32((uint32_t)len) };
    uint8_t *at;

    assert(w->failed || (w->section > 0 && field >= w->last));
    w->last = field + 1u;
    at = state_extend(w, sizeof(f) + (uint64_t)len);
    if (!at)
        return;
    memcpy(at, &f, sizeof(f));
    if (len > 0)
        memcpy(at + sizeof(f), bytes, len);
}

void state_put_u8(struct state_writer *w, uint16_t field, uint8_t value)
{
    state_put(w, field, &value, sizeof(value));
}

void state_put_u16(struct state_writer *w, uint16_t field, uint16_t value)
{
    uint16_t le = htole16(value);

    state_put(w, field, &le, sizeof(le));
}

void state_put_u32(struct state_writer *w, uint16_t field, uint32_t value)
{
    uint32_t le = htole32(value);

    state_put(w, field, &le, sizeof(le));
}

void state_put_u64(struct state_writer *w, uint16_t field, uint64_t value)
{
    uint64_t le = htole64(value);

    state_put(w, field, &le, sizeof(le));
}

int state_end(struct state_writer *w, uint16_t flags, struct err *e)
{
    struct wire_header header = { .version = htole16(STATE_VERSION), .flags = htole16(flags) };

    section_end(w);
    if (w->failed)
        return err_set(e, ENOMEM, "no memory for the machine's state");
    memcpy(header.magic, MAGIC, MAGIC_LEN);
    header.len = htole64(w->len);
    if (flags & STATE_CHECKSUM)
        header.crc = htole32(state_crc(w->data, w->len));
    memcpy(w->data, &header, sizeof(header));
    return 0;
}

void state_free(struct state_writer *w)
{
    free(w->data);
    *w = (struct state_writer){ .data = NULL };
}

/* Checking the layout. */

/* Reads the header of the field at offset `at`, in host order. false: the field does not fit. */
static bool field_read(const uint8_t *fields, size_t len, size_t at, struct wire_field *f)
{
    if (len - at < sizeof(*f))
        return false;
    memcpy(f, fields + at, sizeof(*f));
    f->number = le16toh(f->number);
    f->zero = le16toh(f->zero);
    f->len = le32toh(f->len);
    return state_padded(f->len) <= len - at - sizeof(*f);
}

static int fields_check(const struct state_entry *s, struct err *e)
{
    struct wire_field f;
    uint32_t least = 0;

    for (size_t at = 0; at < s->len; at += sizeof(f) + state_padded(f.len)) {
        if (!field_read(s->fields, s->len, at, &f))
            return err_set(e, EINVAL, "section '%s' ends in the middle of a field", s->name);
        if (f.number < least || f.zero != 0)
            return err_set(e, EINVAL, "section '%s' has field %u out of place", s->name, f.number);
        least = f.number + 1u;
    }
    return 0;
}

/* Reads the section at `at` into the next entry. `left` bytes remain there; the section takes
 * *used of them. */
static int section_read(struct state_reader *r, const uint8_t *at, uint64_t left, uint64_t *used,
                        struct err *e)
{
    struct state_entry *s = &r->entries[r->count];
    struct wire_section section;
    uint64_t len, name_len;

    if (r->count == STATE_SECTIONS_MAX)
        return err_set(e, EINVAL, "it has more than %u sections", STATE_SECTIONS_MAX);
    if (left < sizeof(section))
        return err_set(e, EINVAL, "it ends in the middle of section %u", r->count + 1);
    memcpy(&section, at, sizeof(section));
    len = le32toh(section.len);
    name_len = state_padded(section.name_len);
    if (len > left - sizeof(section) || len % ALIGN != 0 || name_len > len)
        return err_set(e, EINVAL, "it ends in the middle of section %u", r->count + 1);
    at += sizeof(section);
    if (!section_name_is_valid((const char *)at, section.name_len))
        return err_set(e, EINVAL, "section %u has no valid name", r->count + 1);
    *s = (struct state_entry){ .fields = at + name_len,
                               .len = (uint32_t)(len - name_len),
                               .version = le16toh(section.version),
                               .flags = section.flags };
    memcpy(s->name, at, section.name_len);
    if (state_has_section(r, s->name))
        return err_set(e, EINVAL, "it has two sections '%s'", s->name);
    r->count++;
    *used = sizeof(section) + len;
    return fields_check(s, e);
}

static int state_header_check(const uint8_t *data, size_t len, size_t *state_len, struct err *e)
{
    struct wire_header header;
    uint16_t flags;

    if (len < sizeof(header) || memcmp(data, MAGIC, MAGIC_LEN) != 0)
        return err_set(e, EINVAL, "it was not written by mote");
    memcpy(&header, data, sizeof(header));
    flags = le16toh(header.flags);
    if (le16toh(header.version) != STATE_VERSION || flags & ~STATE_CHECKSUM)
        return err_set(
            e, ENOTSUP,
            "it has format %u and flags 0x%x, this mote reads format %u and flags up to 0x%x",
            le16toh(header.version), flags, STATE_VERSION, STATE_CHECKSUM);
    header.len = le64toh(header.len);
    if (header.len > len)
        return err_set(e, EINVAL, "it is cut off: %llu bytes of %llu", (unsigned long long)len,
                       (unsigned long long)header.len);
    if (header.len < sizeof(header) || header.len % ALIGN != 0)
        return err_set(e, EINVAL, "it cannot be %llu bytes long", (unsigned long long)header.len);
    *state_len = header.len;
    if (flags & STATE_CHECKSUM && state_crc(data, *state_len) != le32toh(header.crc))
        return err_set(e, EINVAL, "it is damaged: its checksum does not match");
    return 0;
}

int state_open(struct state_reader *r, const void *data, size_t len, struct err *e)
{
    size_t at = sizeof(struct wire_header), state_len = 0;
    int ret = state_header_check(data, len, &state_len, e);
    uint64_t used = 0;

    r->count = 0;
    for (; ret == 0 && at < state_len; at += used)
        ret = section_read(r, (const uint8_t *)data + at, state_len - at, &used, e);
    if (ret < 0) {
        r->count = 0;
        return err_wrap(e, ret, "the machine's state");
    }
    return 0;
}

/* Reading. */

/* The index of the section of this name, or r->count. */
static unsigned entry_find(const struct state_reader *r, const char *name)
{
    unsigned i = 0;

    while (i < r->count && strcmp(r->entries[i].name, name) != 0)
        i++;
    return i;
}

bool state_has_section(const struct state_reader *r, const char *name)
{
    return entry_find(r, name) < r->count;
}

struct state_fields state_find(struct state_reader *r, const char *name, uint16_t version,
                               struct err *e)
{
    unsigned i = entry_find(r, name);
    struct state_entry *s = i < r->count ? &r->entries[i] : NULL;
    struct state_fields f = { .e = e };

    if (!s || s->taken) {
        f.failed = err_set(e, EINVAL, "the machine's state has no %ssection '%s'",
                           s ? "second " : "", name);
        return f;
    }
    if (s->version > version) {
        f.failed = err_set(e, ENOTSUP, "section '%s' has version %u, this mote reads up to %u",
                           name, s->version, version);
        return f;
    }
    s->taken = true;
    f.name = s->name;
    f.data = s->fields;
    f.len = s->len;
    return f;
}

/* Returns the field's bytes and sets their length, or returns NULL. The search starts at the cursor
 * or, if the cursor is already past the field, at the beginning. The cursor stays where the search
 * ends; at the end of the section it goes back to the beginning. state_open has checked the
 * layout. */
static const uint8_t *field_find(struct state_fields *f, uint16_t field, size_t *len)
{
    struct wire_field is;

    if (f->at < f->len && field_read(f->data, f->len, f->at, &is) && is.number > field)
        f->at = 0;
    while (f->at < f->len && field_read(f->data, f->len, f->at, &is) && is.number < field)
        f->at += sizeof(is) + state_padded(is.len);
    if (f->at >= f->len) {
        f->at = 0;
        return NULL;
    }
    *len = is.len;
    return is.number == field ? f->data + f->at + sizeof(is) : NULL;
}

/* Reports only the first error. */
static void field_fail(struct state_fields *f, uint16_t field, const char *what)
{
    if (f->failed == 0)
        f->failed = err_set(f->e, EINVAL, "section '%s': field %u %s", f->name, field, what);
}

bool state_has(struct state_fields *f, uint16_t field)
{
    size_t len;

    return field_find(f, field, &len);
}

uint64_t state_get(struct state_fields *f, uint16_t field, uint64_t max)
{
    size_t len = 0;
    const uint8_t *at = field_find(f, field, &len);
    uint64_t value = 0;

    if (!at) {
        field_fail(f, field, "is missing");
        return 0;
    }
    if (len != 1 && len != 2 && len != 4 && len != 8) {
        field_fail(f, field, "is not an integer");
        return 0;
    }
    memcpy(&value, at, len);
    value = le64toh(value);
    if (value > max) {
        field_fail(f, field, "is out of range");
        return 0;
    }
    return value;
}

const void *state_get_blob(struct state_fields *f, uint16_t field, size_t max, size_t *len)
{
    const uint8_t *at = field_find(f, field, len);

    if (!at || *len > max) {
        field_fail(f, field, at ? "is too long" : "is missing");
        *len = 0;
        return NULL;
    }
    return at;
}

const void *state_get_bytes(struct state_fields *f, uint16_t field, size_t len)
{
    size_t is = 0;
    const void *at = state_get_blob(f, field, len, &is);

    if (at && is < len) {
        field_fail(f, field, "is too short");
        return NULL;
    }
    return at;
}

void state_refuse(struct state_fields *f, const char *why)
{
    if (f->failed == 0)
        f->failed = err_set(f->e, EINVAL, "section '%s': %s", f->name, why);
}

int state_done(struct state_fields *f)
{
    return f->failed;
}

int state_close(const struct state_reader *r, struct err *e)
{
    for (unsigned i = 0; i < r->count; i++)
        if (!r->entries[i].taken && !(r->entries[i].flags & STATE_OPTIONAL))
            return err_set(e, ENOTSUP,
                           "the machine's state has a section '%s' that this machine has no use "
                           "for",
                           r->entries[i].name);
    return 0;
}
