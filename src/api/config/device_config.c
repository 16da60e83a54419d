/* The virtio devices that the operator asks for, and whether one machine can have them all. */
#include "api/config/device_config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/guest_arch.h"

#define PATIENCE_MAX_S 3600u

void device_config_init(struct device_config *c)
{
    *c = (struct device_config){ .root = -1, .patience_s = DEVICES_PATIENCE_S };
}

struct blk_config device_config_drive(void)
{
    return (struct blk_config){ .writeback = true };
}

struct net_config device_config_net(void)
{
    return (struct net_config){ .fd = -1, .setup = { .tap = { .fd = -1 } } };
}

unsigned device_config_count(const struct device_config *c)
{
    return c->drive_count + c->net_count + c->has_vsock + c->has_balloon + c->has_rng;
}

unsigned device_config_root(const struct device_config *c)
{
    assert(c->drive_count > 0);
    return c->root < 0 ? 0 : (unsigned)c->root;
}

/* Names. */

static struct device_id id_of(const char *given, const char *kind, unsigned number)
{
    struct device_id id;

    if (given)
        (void)snprintf(id.text, sizeof(id.text), "%s", given);
    else
        (void)snprintf(id.text, sizeof(id.text), "%s%u", kind, number);
    return id;
}

struct device_id device_config_drive_id(const struct device_config *c, unsigned number)
{
    return id_of(c->drives[number].id, "drive", number);
}

struct device_id device_config_net_id(const struct device_config *c, unsigned number)
{
    return id_of(c->nets[number].setup.id, "net", number);
}

/* An id is part of the names of counters and snapshot sections, and later of paths of the API. */
static int id_check(const char *id, struct err *e)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (!id)
        return 0;
    if (id[0] == '\0' || id[strspn(id, known)] != '\0')
        return err_set(e, EINVAL, "'%.80s' is not an id: use letters, digits, '_' and '-'", id);
    if (strlen(id) > DEVICE_ID_MAX)
        return err_set(e, EINVAL, "the id '%.80s' is too long: at most %u characters", id,
                       DEVICE_ID_MAX);
    return 0;
}

static int ids_must_differ(const struct device_config *c, unsigned count,
                           struct device_id (*id)(const struct device_config *c, unsigned number),
                           const char *kind, struct err *e)
{
    for (unsigned i = 1; i < count; i++) {
        struct device_id mine = id(c, i);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(mine.text, id(c, j).text) == 0)
                return err_set(e, EINVAL, "two %s are called '%s'", kind, mine.text);
    }
    return 0;
}

/* Checks. */

static int drive_check(const struct blk_config *d, struct err *e)
{
    int ret = id_check(d->id, e);

    if (ret < 0)
        return ret;
    if (!d->path || d->path[0] == '\0')
        return err_set(e, EINVAL, "the path of a drive is empty");
    if (d->serial && strlen(d->serial) > VIRTIO_BLK_ID_BYTES)
        return err_set(e, EINVAL, "the serial '%.80s' is too long: a guest sees %u characters",
                       d->serial, VIRTIO_BLK_ID_BYTES);
    return 0;
}

static int net_check(const struct net_config *n, struct err *e)
{
    int ret = id_check(n->setup.id, e);

    if (ret < 0)
        return ret;
    if (!n->tap == (n->fd < 0))
        return err_set(e, EINVAL, "a network device needs exactly one tap: tap=NAME or fd=N");
    return 0;
}

/* Two devices must not share a descriptor: each closes its own. */
static int fds_must_differ(const struct device_config *c, struct err *e)
{
    for (unsigned i = 1; i < c->net_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (c->nets[i].fd >= 0 && c->nets[i].fd == c->nets[j].fd)
                return err_set(e, EINVAL, "two network devices are on descriptor %d",
                               c->nets[i].fd);
    return 0;
}

static int drives_check(const struct device_config *c, struct err *e)
{
    int ret = 0;

    for (unsigned i = 0; i < c->drive_count && ret == 0; i++)
        ret = drive_check(&c->drives[i], e);
    return ret < 0 ? ret : ids_must_differ(c, c->drive_count, device_config_drive_id, "drives", e);
}

static int nets_check(const struct device_config *c, struct err *e)
{
    int ret = 0;

    for (unsigned i = 0; i < c->net_count && ret == 0; i++)
        ret = net_check(&c->nets[i], e);
    if (ret == 0)
        ret = fds_must_differ(c, e);
    return ret < 0 ? ret
                   : ids_must_differ(c, c->net_count, device_config_net_id, "network devices", e);
}

int device_config_check(const struct device_config *c, const struct guest_virtio *windows,
                        struct err *e)
{
    unsigned count = device_config_count(c);
    int ret;

    if (count > windows->max)
        return err_set(e, EINVAL, "%u devices are too many: a machine has room for %u", count,
                       windows->max);
    if (c->patience_s < 1 || c->patience_s > PATIENCE_MAX_S)
        return err_set(e, EINVAL, "a patience of %llu s is out of range: 1 to %u",
                       (unsigned long long)c->patience_s, PATIENCE_MAX_S);
    if (c->has_vsock && !c->vsock.uds_path)
        return err_set(e, EINVAL, "a vsock needs the path of a unix socket");
    ret = drives_check(c, e);
    return ret < 0 ? ret : nets_check(c, e);
}
