#ifndef CORE_DEV_PIT_H
#define CORE_DEV_PIT_H
/*
 * The PC's timer, three counters of an 8254 (data sheet) at ports 0x40 to 0x43, and port 0x61,
 * which opens the gate of counter 2 and shows its output. Counter 0's output is interrupt 0.
 *
 * Pure: time comes in as nanoseconds, and nothing is kept of it but when each counter was started;
 * what a counter shows follows from that. Whoever calls holds the lock.
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

/* The bytes of a count that are read and written. */
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
    bool counting;       /* a count was written, and a trigger came where the mode wants one */
    uint32_t count;      /* 1 to 0x10000 */
    uint64_t started_ns; /* when it was last loaded */
    uint64_t stopped_ns; /* its gate is shut: since when; else 0 */
    bool write_high;     /* the low byte is here, and this */
    uint8_t low;
    bool read_high;
    uint8_t latched_bytes; /* of `latched`, left to read; PIT_LOW first */
    uint16_t latched;
    bool has_status;
    uint8_t status;
};

struct pit {
    struct pit_counter counter[PIT_COUNTERS];
    bool speaker;  /* port 0x61, bit 1 */
    uint32_t owed; /* counter 0's interrupts that the guest has yet to get */
};

void pit_init(struct pit *p);

bool pit_claims(uint16_t port);
uint8_t pit_read(struct pit *p, uint16_t port, uint64_t now_ns);
void pit_write(struct pit *p, uint16_t port, uint8_t value, uint64_t now_ns);

/* When counter 0's output rises next, later than that; PIT_NEVER where it does not. */
uint64_t pit_next(const struct pit *p, uint64_t after_ns);

/* Counter 0's output has risen: at `due_ns`, which pit_next gave, and as often as it did from then
 * to now. Each is owed to the guest, which may count them to know the time, but never more than a
 * second's worth: the machine may have been paused for an hour. Setting the counter anew forgets
 * them; whoever sends one counts it off `owed`. */
void pit_owe(struct pit *p, uint64_t due_ns, uint64_t now_ns);

/* Section "pit". Times are saved as how long ago they were. A failed load has changed nothing. */
void pit_save(const struct pit *p, struct state_writer *w, uint64_t now_ns);
int pit_load(struct pit *p, struct state_reader *r, uint64_t now_ns, struct err *e);

#endif
