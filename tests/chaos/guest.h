#ifndef TESTS_CHAOS_GUEST_H
#define TESTS_CHAOS_GUEST_H
/* A processor, as requests.c uses it. All functions here are for that processor's thread. */
#include "chaos/chaos.h"

struct guest_buf {
    gpa_t at;
    uint32_t len;
    uint16_t flags;
};

/* One processor's view of one queue. */
struct guest_queue {
    uint16_t size, next, offered;
};

struct guest {
    struct chaos *c;
    unsigned number;
    struct dice dice;
    struct guest_queue queue[DEVS][8];
};

uint32_t guest_read(struct guest *g, unsigned device, uint32_t reg);
void guest_write(struct guest *g, unsigned device, uint32_t reg, uint32_t value);

/* Writes guest memory as a processor does, unseen by ThreadSanitizer: a hostile guest races with
 * the devices on purpose. Does nothing outside memory. */
void guest_put(struct guest *g, gpa_t at, const void *bytes, uint32_t len);

/* A place for a buffer, sometimes a bad one. */
gpa_t guest_place(struct guest *g, uint32_t len);

/* Makes a chain available, and rings the doorbell every other time. Only rings it while the queue
 * is not set up or the device is behind. */
void guest_chain(struct guest *g, unsigned device, unsigned queue, const struct guest_buf *bufs,
                 unsigned count);

/* Makes a request of the device's kind. */
void guest_request(struct guest *g, unsigned device);

#endif
