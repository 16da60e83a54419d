/*
 * The devices on the command line: one table of keys for each kind.
 *
 * The keys of a drive fill the entry after the counted drives (drive_next), which is counted once
 * all its keys are set. Network devices work the same way.
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

    return ret < 0 ? err_set(e, -ret, "'%.40s' is not a number", text) : 0;
}

static int count_up_to(const char *text, uint64_t max, uint64_t *out, struct err *e)
{
    int ret = count_parse(text, out, e);

    if (ret == 0 && *out > max)
        return err_set(e, ERANGE, "%.40s is too large: at most %llu", text,
                       (unsigned long long)max);
    return ret;
}

typedef int (*amount_parse)(const char *text, uint64_t *out, struct err *e);

/* Parses "RATE[+BURST]": RATE a second, and BURST on top of that, once. */
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
            err_set(e, EINVAL, "a limit of 0 lets nothing through; leave the key out for no limit");
    return ret;
}

static int cli_hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at ? (int)((at - digits) % 16) : -1;
}

static int mac_parse(const char *text, uint8_t mac[6], struct err *e)
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        int high = cli_hex_digit(text[0]), low = high < 0 ? -1 : cli_hex_digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return err_set(e, EINVAL,
                           "not a MAC address: write six pairs of hexadecimal digits, like "
                           "02:00:00:00:00:01");
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* Drives. */

static struct blk_config *drive_next(struct device_config *c)
{
    return &c->drives[c->drive_count];
}

static int key_drive_ro(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    drive_next(c)->read_only = true;
    return 0;
}

static int key_drive_root(struct device_config *c, const char *value, struct err *e)
{
    (void)value;
    if (c->root >= 0)
        return err_set(e, EINVAL, "another drive is already the root");
    c->root = (int)c->drive_count;
    return 0;
}

static int key_drive_direct(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    drive_next(c)->direct = true;
    return 0;
}

static int key_drive_discard(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    drive_next(c)->discard = true;
    return 0;
}

static int key_drive_cache(struct device_config *c, const char *value, struct err *e)
{
    if (strcmp(value, "writeback") != 0 && strcmp(value, "unsafe") != 0)
        return err_set(e, EINVAL, "'%.40s' is not a cache mode: writeback or unsafe", value);
    drive_next(c)->writeback = value[0] == 'w';
    return 0;
}

static int key_drive_lock(struct device_config *c, const char *value, struct err *e)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return err_set(e, EINVAL, "'%.40s' is neither on nor off", value);
    drive_next(c)->unlocked = strcmp(value, "off") == 0;
    return 0;
}

static int key_drive_id(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    drive_next(c)->id = value;
    return 0;
}

static int key_drive_serial(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    drive_next(c)->serial = value;
    return 0;
}

static int key_drive_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &drive_next(c)->bandwidth, e);
}

static int key_drive_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &drive_next(c)->ops, e);
}

static const struct key_row drive_keys[] = {
    { "ro", NULL, key_drive_ro },
    { "root", NULL, key_drive_root },
    { "id", "ID", key_drive_id },
    { "serial", "STRING", key_drive_serial },
    { "direct", NULL, key_drive_direct },
    { "discard", NULL, key_drive_discard },
    { "cache", "writeback|unsafe", key_drive_cache },
    { "lock", "on|off", key_drive_lock },
    { "bw", "SIZE[+BURST]", key_drive_bw },
    { "ops", "N[+BURST]", key_drive_ops },
    { NULL, NULL, NULL },
};

static int devices_too_many(struct err *e)
{
    return err_set(e, EINVAL, "too many devices: a machine has room for %u", DEVICES_MAX);
}

int cli_drive(struct device_config *c, char *text, struct err *e)
{
    int ret;

    if (c->drive_count == DEVICES_MAX)
        return devices_too_many(e);
    *drive_next(c) = device_config_drive();
    drive_next(c)->path = keys_next(&text);
    ret = keys_walk(drive_keys, text, c, e);
    if (ret == 0)
        c->drive_count++;
    return ret;
}

/* Network devices. */

static struct net_config *net_next(struct device_config *c)
{
    return &c->nets[c->net_count];
}

static int key_net_tap(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    net_next(c)->tap = value;
    return 0;
}

static int key_net_fd(struct device_config *c, const char *value, struct err *e)
{
    uint64_t fd = 0;
    int ret = count_up_to(value, INT32_MAX, &fd, e);

    net_next(c)->fd = (int)fd;
    return ret;
}

static int key_net_id(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    net_next(c)->setup.id = value;
    return 0;
}

static int key_net_mac(struct device_config *c, const char *value, struct err *e)
{
    net_next(c)->setup.has_mac = true;
    return mac_parse(value, net_next(c)->setup.mac, e);
}

static int key_net_mtu(struct device_config *c, const char *value, struct err *e)
{
    uint64_t mtu = 0;
    int ret = count_up_to(value, UINT16_MAX, &mtu, e);

    if (ret == 0 && mtu == 0)
        return err_set(e, EINVAL, "an MTU of 0 lets nothing through");
    net_next(c)->setup.mtu = (uint16_t)mtu;
    return ret;
}

static int key_net_rx_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &net_next(c)->setup.rx.bandwidth, e);
}

static int key_net_rx_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &net_next(c)->setup.rx.ops, e);
}

static int key_net_tx_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &net_next(c)->setup.tx.bandwidth, e);
}

static int key_net_tx_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &net_next(c)->setup.tx.ops, e);
}

static const struct key_row net_keys[] = {
    { "tap", "NAME", key_net_tap },
    { "fd", "N", key_net_fd },
    { "id", "ID", key_net_id },
    { "mac", "ADDRESS", key_net_mac },
    { "mtu", "BYTES", key_net_mtu },
    { "rx-bw", "SIZE[+BURST]", key_net_rx_bw },
    { "rx-ops", "N[+BURST]", key_net_rx_ops },
    { "tx-bw", "SIZE[+BURST]", key_net_tx_bw },
    { "tx-ops", "N[+BURST]", key_net_tx_ops },
    { NULL, NULL, NULL },
};

int cli_net(struct device_config *c, char *text, struct err *e)
{
    int ret;

    if (c->net_count == DEVICES_MAX)
        return devices_too_many(e);
    *net_next(c) = device_config_net();
    ret = keys_walk(net_keys, text, c, e);
    if (ret == 0)
        c->net_count++;
    return ret;
}

/* The others. */

static int key_vsock_cid(struct device_config *c, const char *value, struct err *e)
{
    uint64_t cid = 0;
    int ret = count_up_to(value, UINT32_MAX, &cid, e);

    c->vsock.cid = (uint32_t)cid;
    return ret;
}

static int key_vsock_uds(struct device_config *c, const char *value, struct err *e)
{
    (void)e;
    c->vsock.uds_path = value;
    return 0;
}

static const struct key_row vsock_keys[] = {
    { "cid", "N", key_vsock_cid },
    { "uds", "PATH", key_vsock_uds },
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

static int key_balloon_size(struct device_config *c, const char *value, struct err *e)
{
    return size_parse(value, &c->balloon.target, e);
}

static int key_balloon_deflate_on_oom(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    c->balloon.deflate_on_oom = true;
    return 0;
}

static int key_balloon_reporting(struct device_config *c, const char *value, struct err *e)
{
    (void)value, (void)e;
    c->balloon.reporting = true;
    return 0;
}

static int key_balloon_stats(struct device_config *c, const char *value, struct err *e)
{
    uint64_t seconds = 0;
    int ret = count_up_to(value, UINT16_MAX, &seconds, e);

    c->balloon.stats_interval_s = (uint32_t)seconds;
    return ret;
}

static const struct key_row balloon_keys[] = {
    { "size", "SIZE", key_balloon_size },
    { "deflate-on-oom", NULL, key_balloon_deflate_on_oom },
    { "reporting", NULL, key_balloon_reporting },
    { "stats", "SECONDS", key_balloon_stats },
    { NULL, NULL, NULL },
};

/* A text that begins with a digit begins with SIZE, since no key begins with one. */
int cli_balloon(struct device_config *c, char *text, struct err *e)
{
    int ret = 0;

    c->has_balloon = true;
    if (text && text[0] >= '0' && text[0] <= '9')
        ret = key_balloon_size(c, keys_next(&text), e);
    return ret < 0 ? ret : keys_walk(balloon_keys, text, c, e);
}

static int key_rng_bw(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, size_parse, &c->rng.bandwidth, e);
}

static int key_rng_ops(struct device_config *c, const char *value, struct err *e)
{
    return rate_parse(value, count_parse, &c->rng.ops, e);
}

static const struct key_row rng_keys[] = {
    { "bw", "SIZE[+BURST]", key_rng_bw },
    { "ops", "N[+BURST]", key_rng_ops },
    { NULL, NULL, NULL },
};

int cli_rng(struct device_config *c, char *text, struct err *e)
{
    c->has_rng = true;
    return keys_walk(rng_keys, text, c, e);
}
