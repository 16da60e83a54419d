#ifndef CORE_BASE_STATE_H
#define CORE_BASE_STATE_H
/*
 * Snapshot records: the state of everything but memory, as bytes. Pure.
 *
 * A state is a header and sections; a section is one owner's ("vcpu.0", "block.rootfs") and is made
 * of numbered fields. All integers are little-endian; all of it is aligned to 8 bytes, padded with
 * zeros, so that large fields can be used where they lie.
 *
 *   header    "motestat", version (2), flags (2), CRC-32 of what follows (4), length of it all (8)
 *   section   length of name and fields, padding included (4), version (2), flags (1), length of
 *             the name (1), the name, fields
 *   field     number (2), zero (2), length (4), the bytes: an integer of 1, 2, 4 or 8, or a blob
 *
 * How it may grow: a field that older readers can do without is only added, and newer readers give
 * it a default where it is missing. What older readers would get wrong without raises the section's
 * version: they refuse it. A section that nobody takes is skipped if it says that it may be. The
 * header's version is for another layout than this.
 *
 * Writing: fields of a section in ascending order. No call fails; state_end tells.
 *
 *   struct state_writer w = { 0 };
 *   state_begin(&w);
 *   state_section(&w, "entropy", 1, 0);
 *   state_put_u16(&w, RNG_THIS, 42);
 *   ret = state_end(&w, STATE_CHECKSUM, &e);   w.data and w.len are the state
 *   state_free(&w);
 *
 * Reading: the bytes are foreign, and not one is believed. state_open judges the layout of all of
 * it, so that what follows can only miss fields, or find values out of the range it names.
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
    STATE_CHECKSUM = 1, /* of the header: the CRC is one, against accidents */
};

enum state_section_flag {
    STATE_OPTIONAL = 1, /* may be skipped */
};

/* Zeroed is empty and can be freed. */
struct state_writer {
    uint8_t *data;
    size_t len;
    size_t size;    /* allocated */
    size_t section; /* where the open one begins; 0: there is none */
    uint32_t last;  /* field number + 1 in it */
    bool failed;    /* no memory, or more than a length can say */
};

/* Starts a state, in the memory of the last one if there is any. */
void state_begin(struct state_writer *w);

/* Opens a section; the one before is complete. The name is of 1 to STATE_NAME_MAX printable
 * characters, no space or quote among them, and not written before; flags are enum
 * state_section_flag. */
void state_section(struct state_writer *w, const char *name, uint16_t version, uint8_t flags);

/* A field of the open section; its number is greater than the last one's. */
void state_put(struct state_writer *w, uint16_t field, const void *bytes, size_t len);
void state_put_u8(struct state_writer *w, uint16_t field, uint8_t value);
void state_put_u16(struct state_writer *w, uint16_t field, uint16_t value);
void state_put_u32(struct state_writer *w, uint16_t field, uint32_t value);
void state_put_u64(struct state_writer *w, uint16_t field, uint64_t value);

/* Completes the state; flags are enum state_flag. -ENOMEM where it could not be held. */
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
    const char *name; /* NULL: there is none, and nothing is found */
    const uint8_t *data;
    size_t len;
    size_t at;     /* of the field looked at last */
    struct err *e; /* gets the first sentence */
    int failed;    /* 0, or -errno of that */
};

/* Reads the layout. The bytes stay the caller's and as they are while the reader is used; what lies
 * behind the state's own length is ignored. -EINVAL: they are no state, cut off or damaged;
 * -ENOTSUP: a version that is not known. */
int state_open(struct state_reader *r, const void *data, size_t len, struct err *e);

/* Takes a section. Where there is none, one of a later version than given, or one already taken,
 * state_done says so and every field is missing. */
struct state_fields state_find(struct state_reader *r, const char *name, uint16_t version,
                               struct err *e);

/* Whether the state has a section of this name. */
bool state_has_section(const struct state_reader *r, const char *name);

/* Fields in any order; fastest in theirs. */

bool state_has(struct state_fields *f, uint16_t field);

/* An integer of any width, from 0 to max. 0 where there is none. */
uint64_t state_get(struct state_fields *f, uint16_t field, uint64_t max);

/* A blob of so many bytes; it lies in the caller's bytes. NULL where there is none. */
const void *state_get_bytes(struct state_fields *f, uint16_t field, size_t len);

/* A blob of any length up to max. */
const void *state_get_blob(struct state_fields *f, uint16_t field, size_t max, size_t *len);

/* The reader's own judgement of a value: takes part in state_done. */
void state_refuse(struct state_fields *f, const char *why);

/* 0, or -EINVAL or -ENOTSUP with a sentence: something was missing, out of range or refused. */
int state_done(struct state_fields *f);

/* -ENOTSUP where a section was not taken that may not be skipped. */
int state_close(const struct state_reader *r, struct err *e);

#endif
