#ifndef CORE_LOG_LOG_RING_H
#define CORE_LOG_LOG_RING_H
/*
 * The log's lines on their way from the threads that log to the one that writes: a bounded ring at
 * which nobody ever waits.
 *
 * Lock-free, for any number of threads on either end and in signal handlers. A thread that is held
 * up between taking a place and filling it holds up the lines behind it, but no other thread.
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

/* Zeroed is empty. A position only grows; its place is position % LOG_RING_LINES. */
struct log_ring {
    uint64_t tail; /* atomic; the next position to fill */
    uint64_t head; /* atomic; the next position to empty */
    struct {
        /* Atomic; 2n: the place is free for its line number n; 2n + 1: it holds that line. */
        uint64_t turn;
        struct log_raw raw;
    } place[LOG_RING_LINES];
};

/* Copies the first len bytes of the text. false: the ring is full. */
bool log_ring_put(struct log_ring *r, const struct log_raw *raw);

/* false: there is no line, or the next one is still being copied in. */
bool log_ring_take(struct log_ring *r, struct log_raw *raw);

/* Whether log_ring_take would find a line now. */
bool log_ring_has(const struct log_ring *r);

#endif
