#ifndef CORE_LOG_LOG_RING_H
#define CORE_LOG_LOG_RING_H
/*
 * The log's lines between those who have something to say and the one who writes it down: a bounded
 * ring that nobody ever waits at.
 *
 * Lock-free, with any number of threads on either end, in a signal handler too. A thread that is
 * held up between taking a place and filling it holds up the lines behind it, never a thread.
 */
#include <stdbool.h>
#include <stdint.h>

#define LOG_RING_LINES 128u
#define LOG_RING_TEXT  1000u

struct log_raw {
    uint32_t lost; /* lines that were lost just before this one */
    uint32_t len;
    char text[LOG_RING_TEXT];
};

struct log_ring {  /* zero is empty */
    uint64_t tail; /* atomics; the next place to fill, and to empty; they only grow */
    uint64_t head;
    struct {
        uint64_t turn; /* atomic; 2n: free for its nth line, 2n+1: holds it */
        struct log_raw raw;
    } place[LOG_RING_LINES];
};

/* Copies the first len bytes of the text. false: the ring is full. */
bool log_ring_put(struct log_ring *r, const struct log_raw *raw);

/* false: there is none, or it is not there yet. */
bool log_ring_take(struct log_ring *r, struct log_raw *raw);

/* Whether one could be taken now. */
bool log_ring_has(const struct log_ring *r);

#endif
