#ifndef TESTS_CHAOS_GUEST_H
#define TESTS_CHAOS_GUEST_H
/* A processor of chaos.h's, as its requests see it. That processor's thread, all of it. */
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

/* Guest memory as a processor writes it: past the sanitizers, which would find the race that a
 * hostile guest is. Outside memory nothing happens. */
void guest_put(struct guest *g, gpa_t at, const void *bytes, uint32_t len);

/* A place for a buffer, sometimes a bad one. */
gpa_t guest_place(struct guest *g, uint32_t len);

/* Makes a chain available, or an attempt at one, and mostly rings. */
void guest_chain(struct guest *g, unsigned device, unsigned queue, const struct guest_buf *bufs,
                 unsigned count);

/* Something for this device to do. */
void guest_request(struct guest *g, unsigned device);

#endif
