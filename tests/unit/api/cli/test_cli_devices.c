#include "api/cli/cli_devices.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/config/device_config.h"
#include "core/base/err.h"

typedef int (*parser)(struct device_config *c, char *text, struct err *e);

static struct device_config c;

static void none(void)
{
    device_config_init(&c);
}

TestSuite(cli_devices, .init = none);

/* The texts live as long as the test. */
static int parse(parser p, const char *text, struct err *e)
{
    static char words[2048];
    static size_t used;
    char *copy = words + used;

    used += strlen(text) + 1;
    cr_assert_leq(used, sizeof(words));
    return p(&c, strcpy(copy, text), e);
}

static void right(parser p, const char *text)
{
    struct err e = { "" };

    cr_assert_eq(parse(p, text, &e), 0, "%s: %s", text, e.text);
}

static void wrong(parser p, const char *text, const char *sentence)
{
    struct err e = { "" };

    cr_assert_lt(parse(p, text, &e), 0, "%s", text);
    cr_assert_str_eq(e.text, sentence);
}

Test(cli_devices, a_drive_is_a_path)
{
    right(cli_drive, "/disk.img");
    right(cli_drive, "a=b"); /* not a key: the path comes first */
    cr_assert_eq(c.drive_count, 2);
    cr_assert_str_eq(c.drives[0].path, "/disk.img");
    cr_assert_str_eq(c.drives[1].path, "a=b");
    cr_assert(c.drives[0].writeback);
    cr_assert_not(c.drives[0].read_only || c.drives[0].direct || c.drives[0].discard);
    cr_assert_null(c.drives[0].id);
    cr_assert_null(c.drives[0].serial);
    cr_assert_eq(c.drives[0].bandwidth.per_s, 0);
    cr_assert_eq(c.root, -1);
}

Test(cli_devices, a_drive_has_keys)
{
    right(cli_drive, "/a");
    right(cli_drive, "/b,ro,root,id=fs,serial=S1,direct,discard,cache=unsafe,bw=10M+1G,ops=100+7");
    cr_assert(c.drives[1].read_only && c.drives[1].direct && c.drives[1].discard);
    cr_assert_not(c.drives[1].writeback);
    cr_assert_str_eq(c.drives[1].path, "/b");
    cr_assert_str_eq(c.drives[1].id, "fs");
    cr_assert_str_eq(c.drives[1].serial, "S1");
    cr_assert_eq(c.drives[1].bandwidth.per_s, 10 << 20);
    cr_assert_eq(c.drives[1].bandwidth.burst, 1 << 30);
    cr_assert_eq(c.drives[1].ops.per_s, 100);
    cr_assert_eq(c.drives[1].ops.burst, 7);
    cr_assert_eq(c.root, 1);
    right(cli_drive, "/c,cache=writeback");
    cr_assert(c.drives[2].writeback);
}

/* So may every other value. */
Test(cli_devices, a_path_may_have_commas)
{
    right(cli_drive, "/a,,b,ro");
    right(cli_drive, ",,a,serial=1,,2");
    cr_assert_str_eq(c.drives[0].path, "/a,b");
    cr_assert(c.drives[0].read_only);
    cr_assert_str_eq(c.drives[1].path, ",a");
    cr_assert_str_eq(c.drives[1].serial, "1,2");
    right(cli_net, "tap=t,,0,mtu=1500");
    cr_assert_str_eq(c.nets[0].tap, "t,0");
    right(cli_vsock, "uds=/run/a,,b,cid=3");
    cr_assert_str_eq(c.vsock.uds_path, "/run/a,b");
}

Test(cli_devices, a_drive_may_go_without_its_lock)
{
    right(cli_drive, "/a");
    right(cli_drive, "/a,lock=on");
    right(cli_drive, "/a,lock=off");
    cr_assert_not(c.drives[0].unlocked || c.drives[1].unlocked);
    cr_assert(c.drives[2].unlocked);
    wrong(cli_drive, "/a,lock=no", "lock: 'no' is neither on nor off");
    wrong(cli_drive, "/a,lock", "lock needs a value: lock=on|off");
}

Test(cli_devices, a_drive_can_be_wrong)
{
    wrong(cli_drive, "/a,seral=x", "unknown key 'seral', did you mean serial?");
    wrong(cli_drive, "/a,cache=none", "cache: 'none' is not a cache mode: writeback or unsafe");
    cr_assert_eq(c.drive_count, 0, "it was never counted");
    right(cli_drive, "/a,root");
    wrong(cli_drive, "/b,root", "root: another drive is already the root");
}

Test(cli_devices, limits_are_judged)
{
    wrong(cli_drive, "/a,bw=0",
          "bw: a limit of 0 lets nothing through; leave the key out for no limit");
    wrong(cli_drive, "/a,ops=0+5",
          "ops: a limit of 0 lets nothing through; leave the key out for no limit");
    wrong(cli_drive, "/a,bw=fast",
          "bw: 'fast' is not a size: write a number of MiB, or one with K, M or G, like 256M");
    wrong(cli_drive, "/a,bw=1M+",
          "bw: '' is not a size: write a number of MiB, or one with K, M or G, like 256M");
    wrong(cli_drive, "/a,ops=-1", "ops: '-1' is not a number");
    wrong(cli_drive, "/a,ops=1+1+1", "ops: '1+1' is not a number");
    wrong(cli_drive, "/a,ops=99999999999999999999", "ops: '99999999999999999999' is not a number");
}

Test(cli_devices, only_so_many_fit)
{
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        right(cli_drive, "/a");
    wrong(cli_drive, "/a", "too many devices: a machine has room for 17");
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        right(cli_net, "tap=t");
    wrong(cli_net, "tap=t", "too many devices: a machine has room for 17");
}

Test(cli_devices, a_network_device_has_keys)
{
    static const uint8_t mac[] = { 0x02, 0xab, 0xcd, 0xef, 0x09, 0x90 };

    right(cli_net,
          "tap=t0,id=n,mac=02:aB:cd:EF:09:90,mtu=9000,rx-bw=1M,rx-ops=2,tx-bw=3M+4M,tx-ops=5");
    right(cli_net, "fd=7");
    cr_assert_str_eq(c.nets[0].tap, "t0");
    cr_assert_eq(c.nets[0].fd, -1);
    cr_assert_str_eq(c.nets[0].setup.id, "n");
    cr_assert(c.nets[0].setup.has_mac);
    cr_assert_arr_eq(c.nets[0].setup.mac, mac, sizeof(mac));
    cr_assert_eq(c.nets[0].setup.mtu, 9000);
    cr_assert_eq(c.nets[0].setup.rx.bandwidth.per_s, 1 << 20);
    cr_assert_eq(c.nets[0].setup.rx.ops.per_s, 2);
    cr_assert_eq(c.nets[0].setup.tx.bandwidth.per_s, 3 << 20);
    cr_assert_eq(c.nets[0].setup.tx.bandwidth.burst, 4 << 20);
    cr_assert_eq(c.nets[0].setup.tx.ops.per_s, 5);
    cr_assert_null(c.nets[1].tap);
    cr_assert_eq(c.nets[1].fd, 7);
    cr_assert_not(c.nets[1].setup.has_mac);
}

Test(cli_devices, a_network_device_can_be_wrong)
{
    static const char *const macs[] = { "1",
                                        "02:00:00:00:00",
                                        "02:00:00:00:00:01:",
                                        "02:00:00:00:00:0g",
                                        "02-00-00-00-00-01",
                                        "02:00:00:00:00:1" };
    char text[64];

    for (unsigned i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
        (void)snprintf(text, sizeof(text), "mac=%s", macs[i]);
        wrong(cli_net, text,
              "mac: not a MAC address: write six pairs of hexadecimal digits, like "
              "02:00:00:00:00:01");
    }
    wrong(cli_net, "tpa=x", "unknown key 'tpa', did you mean tap?");
    wrong(cli_net, "mtu=0", "mtu: an MTU of 0 lets nothing through");
    wrong(cli_net, "mtu=65536", "mtu: 65536 is too large: at most 65535");
    wrong(cli_net, "fd=x", "fd: 'x' is not a number");
    wrong(cli_net, "fd=2147483648", "fd: 2147483648 is too large: at most 2147483647");
}

Test(cli_devices, a_vsock_needs_both)
{
    wrong(cli_vsock, "cid=3", "uds is missing: cid=N,uds=PATH");
    none();
    wrong(cli_vsock, "uds=/s", "cid is missing: cid=N,uds=PATH");
    none();
    wrong(cli_vsock, "cid=4294967296,uds=/s", "cid: 4294967296 is too large: at most 4294967295");
    cr_assert_not(c.has_vsock);
    right(cli_vsock, "uds=/s,cid=3");
    cr_assert(c.has_vsock);
    cr_assert_eq(c.vsock.cid, 3);
    cr_assert_str_eq(c.vsock.uds_path, "/s");
}

Test(cli_devices, an_entropy_device_needs_nothing)
{
    cr_assert_eq(cli_rng(&c, NULL, NULL), 0);
    cr_assert(c.has_rng);
    cr_assert_eq(c.rng.bandwidth.per_s, 0);
    right(cli_rng, "bw=64K,ops=10");
    cr_assert_eq(c.rng.bandwidth.per_s, 64 << 10);
    cr_assert_eq(c.rng.ops.per_s, 10);
}

Test(cli_devices, a_balloon_has_a_size_and_keys)
{
    cr_assert_eq(cli_balloon(&c, NULL, NULL), 0);
    cr_assert(c.has_balloon);
    cr_assert_eq(c.balloon.target, 0);
    right(cli_balloon, "64M,reporting");
    cr_assert_eq(c.balloon.target, 64 << 20);
    cr_assert(c.balloon.reporting);
    cr_assert_not(c.balloon.deflate_on_oom);
    right(cli_balloon, "deflate-on-oom,stats=5,size=8K");
    cr_assert(c.balloon.deflate_on_oom);
    cr_assert_eq(c.balloon.stats_interval_s, 5);
    cr_assert_eq(c.balloon.target, 8 << 10);
    wrong(cli_balloon, "64X",
          "'64X' is not a size: write a number of MiB, or one with K, M or G, like 256M");
    wrong(cli_balloon, "stats=65536", "stats: 65536 is too large: at most 65535");
    wrong(cli_balloon, "reportin", "unknown key 'reportin', did you mean reporting?");
}
