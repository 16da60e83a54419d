#ifndef CORE_DEV_PIT_H
#define CORE_DEV_PIT_H
/*
 * The PC's timer: the three counters of an 8254 (data sheet) at ports 0x40 to 0x43, and port 0x61,
 * which opens the gate of counter 2 and shows its output. Counter 0's output is interrupt 0.
 *
 * Pure: the caller passes the time in, as nanoseconds, and does the locking. A counter keeps only
 * when it was started and stopped; its value and output are computed from that when asked for.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct state_reader;
struct state_writer;

#define PIT_HZ 1193182u

#define PIT_FIRST   0x40u
#define PIT_COMMAND 0x43u
#define PIT_PORT61  0x61u

#define PIT_COUNTERS 3u
#define PIT_NEVER    UINT64_MAX

/* Which bytes of a count the guest reads and writes. */
enum pit_access {
    PIT_LOW = 1,
    PIT_HIGH,
    PIT_BOTH, /* low, then high */
};

struct pit_counter {
    uint8_t mode;   /* 0 to 5 */
    uint8_t access; /* enum pit_access */
    bool decimal;
    bool gate;
    bool counting;         /* a count was written and, if the mode needs one, a trigger came */
    uint32_t count;        /* 1 to 0x10000 */
    uint64_t started_ns;   /* when counting started, plus the time for which it was stopped */
    uint64_t stopped_ns;   /* since when the shut gate has stopped the counter, or 0 */
    bool write_high;       /* with PIT_BOTH: the next write is the high byte */
    uint8_t low;           /* the low byte written before that */
    bool read_high;        /* with PIT_BOTH: the next read is the high byte */
    uint8_t latched_bytes; /* enum pit_access: the bytes of `latched` still to be read */
    uint16_t latched;
    bool has_status;
    uint8_t status;
};

struct pit {
    struct pit_counter counter[PIT_COUNTERS];
    bool speaker;  /* port 0x61, bit 1 */
    uint32_t owed; /* interrupts of counter 0 that have yet to be sent to the guest */
};

void pit_init(struct pit *p);

bool pit_claims(uint16_t port);
uint8_t pit_read(struct pit *p, uint16_t port, uint64_t now_ns);
void pit_write(struct pit *p, uint16_t port, uint8_t value, uint64_t now_ns);

/* When counter 0's output first rises after after_ns, or PIT_NEVER. */
uint64_t pit_next(const struct pit *p, uint64_t after_ns);

/* Adds to `owed` each rise of counter 0's output from due_ns, which pit_next returned, to now. The
 * guest may count these interrupts to keep time, so none may be lost. But at most a second's worth
 * is owed: the machine may have been paused for an hour. A new mode or count for the counter
 * clears `owed`. Whoever sends an interrupt decrements it. */
void pit_owe(struct pit *p, uint64_t due_ns, uint64_t now_ns);

/* The snapshot section is "pit". Times are saved as how long ago they were. A load that fails
 * changes nothing. */
void pit_save(const struct pit *p, struct state_writer *w, uint64_t now_ns);
int pit_load(struct pit *p, struct state_reader *r, uint64_t now_ns, struct err *e);

#endif
