/* The turnstile: a bell that holds the vCPU that rings it. */
#include "lib/vm/turnstile.h"

static void turnstile_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct turnstile *t = (struct turnstile *)d;

    (void)offset;
    for (unsigned i = 0; i < size; i++)
        ((uint8_t *)data)[i] = 0;
    vcpu_gate_hold(&t->gate);
    (void)sem_post(&t->bell.rung);
}

static void turnstile_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct turnstile *t = (struct turnstile *)d;

    (void)offset;
    (void)data;
    (void)size;
    t->bell.writes++;
    vcpu_gate_hold(&t->gate);
    (void)sem_post(&t->bell.rung);
}

static const struct device_ops turnstile_ops = {
    .name = "turnstile",
    .read = turnstile_read,
    .write = turnstile_write,
};

void turnstile_init(struct turnstile *t)
{
    bell_init(&t->bell);
    t->bell.device.ops = &turnstile_ops;
    t->gate = (struct vcpu_gate){ 0 };
}

void turnstile_finish(struct turnstile *t)
{
    bell_finish(&t->bell);
}

void turnstile_open(struct turnstile *t)
{
    device_lock(&t->bell.device);
    vcpu_gate_open(&t->gate);
    device_unlock(&t->bell.device);
}
