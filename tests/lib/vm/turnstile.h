#ifndef TESTS_TURNSTILE_H
#define TESTS_TURNSTILE_H
/*
 * A device whose every access holds the vCPU at a gate, as a virtio device does during its reset.
 */
#include "core/vm/vcpu.h"
#include "lib/vm/bell.h"

struct turnstile {
    struct bell bell; /* first member; rung by each access */
    struct vcpu_gate gate;
};

void turnstile_init(struct turnstile *t);
void turnstile_finish(struct turnstile *t);

/* Lets all vCPUs through that wait. */
void turnstile_open(struct turnstile *t);

#endif
