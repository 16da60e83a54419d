#ifndef CORE_BASE_STATE_H
#define CORE_BASE_STATE_H
/*
 * Snapshot records: the state of everything but memory, as bytes. Pure.
 *
 * A state is a header and sections. A section belongs to one owner ("vcpu.0", "block.rootfs") and
 * is made of numbered fields. All integers are little-endian. Every part is padded with zeros to a
 * multiple of 8 bytes, so that large fields can be used in place. Numbers in parentheses are bytes.
 *
 *   header    "motestat", version (2), flags (2), CRC-32 of what follows the header (4), total
 *             length (8)
 *   section   length of name and fields, padding included (4), version (2), flags (1), length of
 *             the name (1), the name, the fields
 *   field     number (2), zero (2), length (4), the bytes: an integer of 1, 2, 4 or 8, or a blob
 *
 * How it may grow: a field that older readers may ignore is simply added, and newer readers use a
 * default where it is missing. If older readers must not ignore a new field, the section's version
 * is raised, and they refuse the section. A section that no owner takes is skipped if it is marked
 * STATE_OPTIONAL, else refused. The header's version changes only when this layout does.
 *
 * Writing: the fields of a section are put in ascending order. Only state_end returns an error.
 *
 *   struct state_writer w = { 0 };
 *   state_begin(&w);
 *   state_section(&w, "entropy", 1, 0);
 *   state_put_u16(&w, RNG_THIS, 42);
 *   ret = state_end(&w, STATE_CHECKSUM, &e);   w.data and w.len are the state
 *   state_free(&w);
 *
 * Reading: no byte is trusted. state_open checks the whole layout. After that a field can still be
 * missing, of the wrong length, or out of the range that the caller names.
 *
 *   ret = state_open(&r, data, len, &e);
 *   struct state_fields f = state_find(&r, "entropy", 1, &e);
 *   this = (uint16_t)state_get(&f, RNG_THIS, 1000);
 *   that = state_has(&f, RNG_THAT) ? state_get(&f, RNG_THAT, UINT32_MAX) : 7;
 *   ret = state_done(&f);                      the first thing that was wrong, if any
 *   ...
 *   ret = state_close(&r, &e);                 is there a section that should have been taken?
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define STATE_VERSION      1u
#define STATE_NAME_MAX     95u
#define STATE_SECTIONS_MAX 128u

enum state_flag {
    STATE_CHECKSUM = 1, /* the header has a CRC, which detects damage but not forgery */
};

enum state_section_flag {
    STATE_OPTIONAL = 1, /* a reader that has no use for the section may skip it */
};

/* Zeroed is empty and can be freed. */
struct state_writer {
    uint8_t *data;
    size_t len;
    size_t size;    /* allocated */
    size_t section; /* offset of the open section; 0: none is open */
    uint32_t last;  /* one more than the number of its last field; 0: it has none yet */
    bool failed;    /* out of memory, or a part is longer than its length field can express */
};

/* Starts a state; reuses the memory of the writer's last one. */
void state_begin(struct state_writer *w);

/* Completes the open section, if any, and opens another. The name has 1 to STATE_NAME_MAX printable
 * characters, no space or apostrophe, and must be unique in this state. flags: enum
 * state_section_flag. */
void state_section(struct state_writer *w, const char *name, uint16_t version, uint8_t flags);

/* Adds a field to the open section. Its number must be greater than the last one there. */
void state_put(struct state_writer *w, uint16_t field, const void *bytes, size_t len);
void state_put_u8(struct state_writer *w, uint16_t field, uint8_t value);
void state_put_u16(struct state_writer *w, uint16_t field, uint16_t value);
void state_put_u32(struct state_writer *w, uint16_t field, uint32_t value);
void state_put_u64(struct state_writer *w, uint16_t field, uint64_t value);

/* Completes the state. flags: enum state_flag. -ENOMEM: out of memory, or a part was longer than
 * its length field can express. */
int state_end(struct state_writer *w, uint16_t flags, struct err *e);

void state_free(struct state_writer *w);

struct state_entry {
    const uint8_t *fields;
    uint32_t len;
    uint16_t version;
    uint8_t flags;
    bool taken;
    char name[STATE_NAME_MAX + 1];
};

struct state_reader {
    unsigned count;
    struct state_entry entries[STATE_SECTIONS_MAX];
};

/* A section being read. */
struct state_fields {
    const char *name; /* NULL: state_find failed, and no field will be found */
    const uint8_t *data;
    size_t len;
    size_t at;     /* offset of the field looked at last */
    struct err *e; /* receives the sentence of the first error */
    int failed;    /* 0, or the -errno of the first error */
};

/* Checks the layout. The bytes stay the caller's, who must not change them while the reader is
 * used. Bytes after the state's own length are ignored. -EINVAL: the bytes are not a state, or the
 * state is cut off or damaged. -ENOTSUP: its version or a flag is unknown. */
int state_open(struct state_reader *r, const void *data, size_t len, struct err *e);

/* Takes a section, which can be done once. If the section does not exist, has a version above
 * `version` or is already taken, state_done says so and every field is missing. */
struct state_fields state_find(struct state_reader *r, const char *name, uint16_t version,
                               struct err *e);

bool state_has_section(const struct state_reader *r, const char *name);

/* Fields can be read in any order; ascending order is fastest. */

bool state_has(struct state_fields *f, uint16_t field);

/* An integer of any width, from 0 to max. If there is none it returns 0 and state_done says so. */
uint64_t state_get(struct state_fields *f, uint16_t field, uint64_t max);

/* A blob of exactly len bytes: a pointer into the bytes given to state_open. NULL: there is none,
 * and state_done says so. */
const void *state_get_bytes(struct state_fields *f, uint16_t field, size_t len);

/* The same for any length up to max. *len receives the length, or 0 with NULL. */
const void *state_get_blob(struct state_fields *f, uint16_t field, size_t max, size_t *len);

/* For a caller that finds a value wrong: state_done then says why. */
void state_refuse(struct state_fields *f, const char *why);

/* 0, or -EINVAL or -ENOTSUP and a sentence that says what first went wrong. */
int state_done(struct state_fields *f);

/* -ENOTSUP where a section that may not be skipped was not taken. */
int state_close(const struct state_reader *r, struct err *e);

#endif
