/*
 * A bounded queue of lines without locks.
 *
 * Each place counts its turns: whoever wants to fill or empty one sees by the count whether it is
 * his turn there, takes the place by moving tail or head on, and gives it away by the next count.
 * Zero is the count of a ring that was never used.
 */
#include "core/log/log_ring.h"

#include <string.h>

/* The count at which it is the turn of position `at` to be filled. */
static uint64_t turn_of(uint64_t at)
{
    return at / LOG_RING_LINES * 2;
}

/* Takes the position at *end once its place has come to the turn that is `odd` more than for
 * filling. false: it has not. */
static bool position_take(struct log_ring *r, uint64_t *end, uint64_t odd, uint64_t *taken)
{
    uint64_t at = __atomic_load_n(end, __ATOMIC_RELAXED);

    for (;;) {
        uint64_t before = at;
        uint64_t turn = __atomic_load_n(&r->place[at % LOG_RING_LINES].turn, __ATOMIC_ACQUIRE);

        if (turn == turn_of(at) + odd) {
            if (__atomic_compare_exchange_n(end, &at, at + 1, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
                break;
            continue;
        }
        at = __atomic_load_n(end, __ATOMIC_RELAXED);
        if (at == before)
            return false;
    }
    *taken = at;
    return true;
}

static void copy(struct log_raw *to, const struct log_raw *from)
{
    to->lost = from->lost;
    to->len = from->len;
    memcpy(to->text, from->text, from->len);
}

bool log_ring_put(struct log_ring *r, const struct log_raw *raw)
{
    uint64_t at;

    if (!position_take(r, &r->tail, 0, &at))
        return false;
    copy(&r->place[at % LOG_RING_LINES].raw, raw);
    __atomic_store_n(&r->place[at % LOG_RING_LINES].turn, turn_of(at) + 1, __ATOMIC_RELEASE);
    return true;
}

bool log_ring_take(struct log_ring *r, struct log_raw *raw)
{
    uint64_t at;

    if (!position_take(r, &r->head, 1, &at))
        return false;
    copy(raw, &r->place[at % LOG_RING_LINES].raw);
    __atomic_store_n(&r->place[at % LOG_RING_LINES].turn, turn_of(at) + 2, __ATOMIC_RELEASE);
    return true;
}

bool log_ring_has(const struct log_ring *r)
{
    uint64_t at = __atomic_load_n(&r->head, __ATOMIC_SEQ_CST);

    return __atomic_load_n(&r->place[at % LOG_RING_LINES].turn, __ATOMIC_SEQ_CST) ==
           turn_of(at) + 1;
}
