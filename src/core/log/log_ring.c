/*
 * A bounded queue of lines without locks.
 *
 * Each place has a turn count. A thread that wants to fill or empty a place sees from the count
 * whether the place is ready for that. It claims the place by advancing tail or head, and hands it
 * on by storing the next count. The counts of an unused ring are zero.
 */
#include "core/log/log_ring.h"

#include <string.h>

/* The turn count of position `at`'s place when the line for that position can be put there. */
static uint64_t position_turn(uint64_t at)
{
    return at / LOG_RING_LINES * 2;
}

/* Claims the position at *end (tail or head) if its place is ready: to be filled where `odd` is 0,
 * to be emptied where it is 1. false: it is not ready. */
static bool position_claim(struct log_ring *r, uint64_t *end, uint64_t odd, uint64_t *taken)
{
    uint64_t at = __atomic_load_n(end, __ATOMIC_RELAXED);

    for (;;) {
        uint64_t before = at;
        uint64_t turn = __atomic_load_n(&r->place[at % LOG_RING_LINES].turn, __ATOMIC_ACQUIRE);

        if (turn == position_turn(at) + odd) {
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

static void raw_copy(struct log_raw *to, const struct log_raw *from)
{
    to->lost = from->lost;
    to->len = from->len;
    memcpy(to->text, from->text, from->len);
}

bool log_ring_put(struct log_ring *r, const struct log_raw *raw)
{
    uint64_t at;

    if (!position_claim(r, &r->tail, 0, &at))
        return false;
    raw_copy(&r->place[at % LOG_RING_LINES].raw, raw);
    __atomic_store_n(&r->place[at % LOG_RING_LINES].turn, position_turn(at) + 1, __ATOMIC_RELEASE);
    return true;
}

bool log_ring_take(struct log_ring *r, struct log_raw *raw)
{
    uint64_t at;

    if (!position_claim(r, &r->head, 1, &at))
        return false;
    raw_copy(raw, &r->place[at % LOG_RING_LINES].raw);
    __atomic_store_n(&r->place[at % LOG_RING_LINES].turn, position_turn(at) + 2, __ATOMIC_RELEASE);
    return true;
}

bool log_ring_has(const struct log_ring *r)
{
    uint64_t at = __atomic_load_n(&r->head, __ATOMIC_SEQ_CST);

    return __atomic_load_n(&r->place[at % LOG_RING_LINES].turn, __ATOMIC_SEQ_CST) ==
           position_turn(at) + 1;
}
