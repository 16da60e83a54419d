/*
 * The devices on the command line: one table of keys for each kind.
 *
 * A drive or network device is written where the next one goes and counted once it is whole, so
 * that a key's function finds it there.
 */
#include "api/cli/cli_devices.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/keys.h"
#include "api/config/device_config.h"
#include "api/config/number.h"
#include "core/base/err.h"

/* Values. */

static int count_parse(const char *text, uint64_t *out, struct err *e)
{
    int ret = number_parse(text, out);

    return ret < 0 ? err_set(e, -ret, "'%.40s' is no number", text) : 0;
}

static int count_up_to(const char *text, uint64_t max, uint64_t *out, struct err *e)
{
    int ret = count_parse(text, out, e);

    if (ret == 0 && *out > max)
        return err_set(e, ERANGE, "%.40s is too much: at most %llu", text, (unsigned long long)max);
    return ret;
}

typedef int (*amount_parse)(const char *text, uint64_t *out, struct err *e);

/* "RATE[+BURST]": so much a second, and once so much more. */
static int rate_parse(const char *text, amount_parse parse, struct rate *rate, struct err *e)
{
    const char *plus = strchr(text, '+');
    char per_s[64];
    int ret;

    (void)snprintf(per_s, sizeof(per_s), "%.*s", plus ? (int)(plus - text) : (int)strlen(text),
                   text);
    ret = parse(per_s, &rate->per_s, e);
    if (ret == 0 && plus)
        ret = parse(plus + 1, &rate->burst, e);
    if (ret == 0 && rate->per_s == 0)
        ret =
            err_set(e, EINVAL, "a limit of 0 lets nothing through; without the key there is none");
    return ret;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at ? (int)((at - digits) % 16) : -1;
}

static int mac_parse(const char *text, uint8_t mac[6], struct err *e)
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return err_set(e, EINVAL,
                           "this is no MAC address: six pairs of digits like "
                           "02:00:00:00:00:01");
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* Drives. */

static struct blk_config *drive(struct device_config *c)
{
    return &c->drives[c->drive_count];
}

static int drive_ro(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    drive(c)->read_only = true;
    return 0;
}

static int drive_root(struct device_config *c, const char *value, struct err *e)
{
    (void)value;
    if (c->root >= 0)
        return err_set(e, EINVAL, "another drive is the root already");
    c->root = (int)c->drive_count;
    return 0;
}

static int drive_direct(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    drive(c)->direct = true;
    return 0;
}

static int drive_discard(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    drive(c)->discard = true;
    return 0;
}

static int drive_cache(struct device_config *c, const char *value, struct err *e)
{
    if (strcmp(value, "writeback") != 0 && strcmp(value, "unsafe") != 0)
        return err_set(e, EINVAL, "'%.40s' is no kind of cache: writeback or unsafe", value);
    drive(c)->writeback = value[0] == 'w';
    return 0;
}

static int drive_lock(struct device_config *c, const char *value, struct err *e)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return err_set(e, EINVAL, "'%.40s' is neither on nor off", value);
    drive(c)->unlocked = strcmp(value, "off") == 0;
    return 0;
}

static int drive_id(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    drive(c)->id = value;
    return 0;
}

static int drive_serial(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    drive(c)->serial = value;
    return 0;
}

static int drive_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &drive(c)->bandwidth, e);
}

static int drive_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &drive(c)->ops, e);
}

static const struct key_row drive_keys[] = {
    { "ro", NULL, drive_ro },
    { "root", NULL, drive_root },
    { "id", "ID", drive_id },
    { "serial", "STRING", drive_serial },
    { "direct", NULL, drive_direct },
    { "discard", NULL, drive_discard },
    { "cache", "writeback|unsafe", drive_cache },
    { "lock", "on|off", drive_lock },
    { "bw", "SIZE[+BURST]", drive_bw },
    { "ops", "N[+BURST]", drive_ops },
    { NULL, NULL, NULL },
};

static int too_many(struct err *e)
{
    return err_set(e, EINVAL, "too many devices: a machine has room for %u", DEVICES_MAX);
}

int cli_drive(struct device_config *c, char *text, struct err *e)
{
    int ret;

    if (c->drive_count == DEVICES_MAX)
        return too_many(e);
    *drive(c) = device_config_drive();
    drive(c)->path = keys_next(&text);
    ret = keys_walk(drive_keys, text, c, e);
    if (ret == 0)
        c->drive_count++;
    return ret;
}

/* Network devices. */

static struct net_config *net(struct device_config *c)
{
    return &c->nets[c->net_count];
}

static int net_tap(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    net(c)->tap = value;
    return 0;
}

static int net_fd(struct device_config *c, const char *value, struct err *e)
{
    uint64_t fd = 0;
    int ret = count_up_to(value, INT32_MAX, &fd, e);

    net(c)->fd = (int)fd;
    return ret;
}

static int net_id(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    net(c)->setup.id = value;
    return 0;
}

static int net_mac(struct device_config *c, const char *value, struct err *e)
{
    net(c)->setup.has_mac = true;
    return mac_parse(value, net(c)->setup.mac, e);
}

static int net_mtu(struct device_config *c, const char *value, struct err *e)
{
    uint64_t mtu = 0;
    int ret = count_up_to(value, UINT16_MAX, &mtu, e);

    if (ret == 0 && mtu == 0)
        return err_set(e, EINVAL, "an MTU of 0 lets nothing through");
    net(c)->setup.mtu = (uint16_t)mtu;
    return ret;
}

static int net_rx_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &net(c)->setup.rx.bandwidth, e);
}

static int net_rx_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &net(c)->setup.rx.ops, e);
}

static int net_tx_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &net(c)->setup.tx.bandwidth, e);
}

static int net_tx_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &net(c)->setup.tx.ops, e);
}

static const struct key_row net_keys[] = {
    { "tap", "NAME", net_tap },
    { "fd", "N", net_fd },
    { "id", "ID", net_id },
    { "mac", "ADDRESS", net_mac },
    { "mtu", "BYTES", net_mtu },
    { "rx-bw", "SIZE[+BURST]", net_rx_bw },
    { "rx-ops", "N[+BURST]", net_rx_ops },
    { "tx-bw", "SIZE[+BURST]", net_tx_bw },
    { "tx-ops", "N[+BURST]", net_tx_ops },
    { NULL, NULL, NULL },
};

int cli_net(struct device_config *c, char *text, struct err *e)
{
    int ret;

    if (c->net_count == DEVICES_MAX)
        return too_many(e);
    *net(c) = device_config_net();
    ret = keys_walk(net_keys, text, c, e);
    if (ret == 0)
        c->net_count++;
    return ret;
}

/* The others. */

static int vsock_cid(struct device_config *c, const char *value, struct err *e)
{
    uint64_t cid = 0;
    int ret = count_up_to(value, UINT32_MAX, &cid, e);

    c->vsock.cid = (uint32_t)cid;
    return ret;
}

static int vsock_uds(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    c->vsock.uds_path = value;
    return 0;
}

static const struct key_row vsock_keys[] = {
    { "cid", "N", vsock_cid },
    { "uds", "PATH", vsock_uds },
    { NULL, NULL, NULL },
};

int cli_vsock(struct device_config *c, char *text, struct err *e)
{
    int ret = keys_walk(vsock_keys, text, c, e);

    if (ret < 0)
        return ret;
    if (c->vsock.cid == 0 || !c->vsock.uds_path)
        return err_set(e, EINVAL, "%s is missing: cid=N,uds=PATH",
                       c->vsock.uds_path ? "cid" : "uds");
    c->has_vsock = true;
    return 0;
}

static int balloon_size(struct device_config *c, const char *value, struct err *e)
{
    return size_parse(value, &c->balloon.target, e);
}

static int balloon_deflate_on_oom(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    c->balloon.deflate_on_oom = true;
    return 0;
}

static int balloon_reporting(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    c->balloon.reporting = true;
    return 0;
}

static int balloon_stats(struct device_config *c, const char *value, struct err *e)
{
    uint64_t seconds = 0;
    int ret = count_up_to(value, UINT16_MAX, &seconds, e);

    c->balloon.stats_interval_s = (uint32_t)seconds;
    return ret;
}

static const struct key_row balloon_keys[] = {
    { "size", "SIZE", balloon_size },
    { "deflate-on-oom", NULL, balloon_deflate_on_oom },
    { "reporting", NULL, balloon_reporting },
    { "stats", "SECONDS", balloon_stats },
    { NULL, NULL, NULL },
};

/* A digit in front: no key has one. */
int cli_balloon(struct device_config *c, char *text, struct err *e)
{
    int ret = 0;

    c->has_balloon = true;
    if (text && text[0] >= '0' && text[0] <= '9')
        ret = balloon_size(c, keys_next(&text), e);
    return ret < 0 ? ret : keys_walk(balloon_keys, text, c, e);
}

static int rng_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &c->rng.bandwidth, e);
}

static int rng_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &c->rng.ops, e);
}

static const struct key_row rng_keys[] = {
    { "bw", "SIZE[+BURST]", rng_bw },
    { "ops", "N[+BURST]", rng_ops },
    { NULL, NULL, NULL },
};

int cli_rng(struct device_config *c, char *text, struct err *e)
{
    c->has_rng = true;
    return keys_walk(rng_keys, text, c, e);
}
