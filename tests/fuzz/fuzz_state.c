/*
 * Any bytes as a machine's state: whatever can be opened is walked in every way. Sections and
 * fields that are found lie inside the bytes; what is written again can be opened and has as many
 * sections.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/state.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

static struct state_reader r;
static struct err e;
static uint64_t sum; /* of each byte, so that each is read */

static void blob_read(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += at[i];
}

/* Looks for fields by number, upwards and then downwards, and copies those that are there. */
static void section_walk(const char *name, struct state_writer *copy)
{
    struct state_fields f = state_find(&r, name, UINT16_MAX, &e);
    size_t len;

    NEED(state_done(&f) == 0);
    for (uint32_t i = 0; i <= UINT16_MAX; i += i < 400 || i > 65400 ? 1 : 50) {
        const void *at;
        if (!state_has(&f, (uint16_t)i))
            continue;
        at = state_get_blob(&f, (uint16_t)i, SIZE_MAX, &len);
        NEED(at && state_done(&f) == 0);
        blob_read(at, len);
        state_put(copy, (uint16_t)i, at, len);
    }
    for (unsigned i = 400; i-- > 0;)
        sum += state_get(&f, (uint16_t)i, i * UINT64_C(0x1000000));
    (void)state_get_bytes(&f, 1, 4);
    NEED(state_done(&f) <= 0);
    f = state_find(&r, name, UINT16_MAX, &e);
    NEED(state_done(&f) < 0 && !state_has(&f, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state_writer copy = { .data = NULL };
    static struct state_reader again;

    if (state_open(&r, data, size, &e) < 0) {
        NEED(r.count == 0 && e.text[0] != '\0');
        return 0;
    }
    state_begin(&copy);
    for (unsigned i = 0; i < r.count; i++) {
        state_section(&copy, r.entries[i].name, r.entries[i].version, r.entries[i].flags);
        section_walk(r.entries[i].name, &copy);
    }
    NEED(state_close(&r, &e) == 0);
    NEED(state_end(&copy, STATE_CHECKSUM, &e) == 0);
    NEED(state_open(&again, copy.data, copy.len, &e) == 0 && again.count == r.count);
    state_free(&copy);
    return 0;
}
