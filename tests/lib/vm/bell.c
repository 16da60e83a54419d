/* The bell: a read returns the number of writes, a write posts a semaphore. */
#include "lib/vm/bell.h"

#include <errno.h>
#include <string.h>

static void bell_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct bell *b = (struct bell *)d;

    (void)offset;
    memcpy(data, &b->writes, size);
}

static void bell_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct bell *b = (struct bell *)d;

    (void)offset;
    b->last = 0;
    memcpy(&b->last, data, size);
    b->writes++;
    (void)sem_post(&b->rung);
}

static const struct device_ops bell_ops = {
    .name = "bell",
    .read = bell_read,
    .write = bell_write,
};

void bell_init(struct bell *b)
{
    *b = (struct bell){ 0 };
    device_init(&b->device, &bell_ops);
    (void)sem_init(&b->rung, 0, 0);
}

void bell_finish(struct bell *b)
{
    (void)sem_destroy(&b->rung);
    device_finish(&b->device);
}

void bell_wait(struct bell *b)
{
    while (sem_wait(&b->rung) < 0 && errno == EINTR)
        ;
}
