/*
 * A machine's devices where the host does not answer: a disk's read that never ends, and one that
 * ends when nobody waits for it any more. The machine is on the scripted accelerator, the read on a
 * loop that keeps it (lib/stuck.h); how long is waited is the test's.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config/config.h"
#include "api/machine/devices.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "core/loop/loop.h"
#include "core/vm/bus.h"
#include "core/vm/guest_arch.h"
#include "core/vm/vm.h"
#include "core/x86/board/guest_x86.h"
#include "core/x86/layout.h"
#include "lib/stuck.h"
#include "lib/vm/scripted.h"
#include "virtio-mmio/transport.h"

#define DESC   0x10000u
#define AVAIL  0x11000u
#define USED   0x12000u
#define HEADER 0x13000u
#define DATA   0x14000u
#define STATUS (DATA + BLK_SECTOR)
#define SOON   UINT64_C(1000000) /* ns */

static char folder[] = "/tmp/mote-late-XXXXXX";
static char image[64], uds[64], log_path[64];
static struct machine_config machine;
static struct devices devices;
static struct timeline timeline;
static struct loop *loop;
static struct stuck stuck;
static struct vm vm;

static void reg_write(uint32_t reg, uint32_t value)
{
    (void)bus_write(&vm.mmio, LAYOUT_VIRTIO + reg, &value, sizeof(value));
}

/* The disk's driver, as far as it comes to one request. */
static void driver_start(void)
{
    static const uint32_t steps[][2] = {
        { VIRTIO_MMIO_STATUS, 1 },
        { VIRTIO_MMIO_STATUS, 3 },
        { VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1 },
        { VIRTIO_MMIO_DRIVER_FEATURES, 1 },
        { VIRTIO_MMIO_STATUS, 11 },
        { VIRTIO_MMIO_QUEUE_NUM, 8 },
        { VIRTIO_MMIO_QUEUE_DESC_LOW, DESC },
        { VIRTIO_MMIO_QUEUE_AVAIL_LOW, AVAIL },
        { VIRTIO_MMIO_QUEUE_USED_LOW, USED },
        { VIRTIO_MMIO_QUEUE_READY, 1 },
        { VIRTIO_MMIO_STATUS, 15 },
    };
    struct vring_desc *desc = mem_at(&vm.mem, DESC, 3 * sizeof(*desc));
    struct vring_avail *avail = mem_at(&vm.mem, AVAIL, 64);

    desc[0] = (struct vring_desc){ HEADER, sizeof(struct virtio_blk_outhdr), 1, 1 };
    desc[1] = (struct vring_desc){ DATA, BLK_SECTOR, VRING_DESC_F_WRITE | 1, 2 };
    desc[2] = (struct vring_desc){ STATUS, 1, VRING_DESC_F_WRITE, 0 };
    avail->idx = 1; /* a read of sector 0 */
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        reg_write(steps[i][0], steps[i][1]);
}

static unsigned turns;

static void turn(struct loop_post *post)
{
    if (turns-- == 0)
        loop_stop(loop);
    else
        loop_post(loop, post);
}

/* So many turns of the loop, none of which sleeps. */
static void settle(void)
{
    struct loop_post post = { .call = turn };

    turns = 16;
    loop_post(loop, &post);
    cr_assert_eq(loop_run(loop), 0);
}

static int create(struct err *e)
{
    int ret = devices_open_drives(&devices, &machine, e);

    return ret == 0 ? devices_create(&devices, &machine, e) : ret;
}

static void plug(void)
{
    struct err e = { "" };

    cr_assert_eq(create(&e), 0, "%s", e.text);
    cr_assert_eq(devices.patience_ns, DEVICES_PATIENCE_S * UINT64_C(1000000000));
    devices.patience_ns = SOON;
    cr_assert_eq(devices_plug(&devices, &vm, NULL, &e), 0, "%s", e.text);
    driver_start();
    settle();
    cr_assert_eq(stuck.count, 1, "the read is under way");
}

static void set_up(void)
{
    const struct vm_config c = {
        .arch = &guest_x86,
        .mem = { .size = 32 << 20, .gap_start = LAYOUT_GAP_START, .gap_end = LAYOUT_GAP_END },
        .vcpu_count = 1,
        .accel = &scripted_accel
    };
    struct err e = { "" };
    int fd;

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(image, sizeof(image), "%s/image", folder);
    (void)snprintf(uds, sizeof(uds), "%s/socket", folder);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    fd = open(image, O_RDWR | O_CREAT | O_EXCL, 0600);
    cr_assert_eq(ftruncate(fd, 1 << 20), 0);
    (void)close(fd);
    cr_assert_eq(log_open(&(struct log_config){ .path = log_path, .level = LOG_WARN }, &e), 0);
    config_init(&machine, &guest_x86);
    machine.devices.drives[0] = device_config_drive();
    machine.devices.drives[0].path = image;
    machine.devices.drive_count = 1;
    machine.devices.has_vsock = true;
    machine.devices.vsock = (struct vsock_config){ .cid = 3, .uds_path = uds };
    machine.devices.has_rng = true;
    cr_assert_eq(loop_create(&loop, LOOP_AUTO, &e), 0, "%s", e.text);
    stuck_begin(&stuck, loop, stuck_file);
    cr_assert_eq(vm_init(&vm, &c, loop, &timeline, &e), 0, "%s", e.text);
    plug();
}

static void tear_down(void)
{
    cr_assert_eq(devices_unplug(&devices), 0);
    devices_destroy(&devices);
    cr_assert_eq(devices.count, 0);
    vm_finish(&vm);
    loop_destroy(loop);
    (void)unlink(image);
    (void)unlink(log_path);
    cr_assert_eq(rmdir(folder), 0, "nothing else is left behind");
}

TestSuite(devices_late, .init = set_up, .fini = tear_down);

static bool log_has(const char *text)
{
    char log[4096] = "";
    FILE *f = fopen(log_path, "r");

    cr_assert_not_null(f);
    log[fread(log, 1, sizeof(log) - 1, f)] = '\0';
    (void)fclose(f);
    return strstr(log, text) != NULL;
}

static uint8_t status(void)
{
    return *(uint8_t *)mem_at(&vm.mem, STATUS, 1);
}

/* What the kernel may still write into stays, and what is off already goes. */
Test(devices_late, an_end_does_not_wait_for_ever)
{
    memset(mem_at(&vm.mem, STATUS, 1), 0xee, 1);
    cr_assert_eq(devices_unplug(&devices), -ETIMEDOUT);
    cr_assert(log_has("block.drive0: the host has not answered for"));
    cr_assert_not(log_has("vsock: "));
    cr_assert(devices_plugged(&devices));
    devices_destroy(&devices);
    cr_assert_neq(access(uds, F_OK), 0, "nobody finds a socket of a machine that is over");
    cr_assert_eq(devices.count, 1);
    cr_assert_eq(devices_unplug(&devices), -ETIMEDOUT, "it still does not answer");
    cr_assert_eq(status(), 0xee);
    stuck_end(&stuck, stuck.op[0], BLK_SECTOR); /* and now it does */
    cr_assert_eq(status(), VIRTIO_BLK_S_OK, "all of it is there still");
}

static unsigned rests;
static int rest;

static void rested(struct devices *d, int ret)
{
    cr_assert_eq(d, &devices);
    rests++;
    rest = ret;
    loop_stop(loop);
}

/* The pause is refused, the guest has its disk. */
Test(devices_late, a_pause_does_not_wait_for_ever)
{
    devices_quiesce(&devices, rested);
    cr_assert_eq(rests, 0);
    cr_assert_eq(loop_run(loop), 0);
    cr_assert_eq(rests, 1);
    cr_assert_eq(rest, -ETIMEDOUT);
    cr_assert(log_has("block.drive0: the host has not answered for"));
    for (unsigned n = 0; n < devices.count; n++)
        cr_assert_not(devices.entry[n].virtio->held);
    stuck_end(&stuck, stuck.op[0], BLK_SECTOR);
    settle();
    cr_assert_eq(status(), VIRTIO_BLK_S_OK);
    cr_assert_eq(((struct vring_used *)mem_at(&vm.mem, USED, 64))->idx, 1);
    devices_quiesce(&devices, rested);
    cr_assert_eq(rests, 2, "nothing is under way");
    cr_assert_eq(rest, 0);
    devices_resume(&devices);
}

Test(devices_late, an_answer_in_time_is_a_rest)
{
    devices.patience_ns = UINT64_C(3600000000000);
    devices_quiesce(&devices, rested);
    settle();
    cr_assert_eq(rests, 0);
    stuck_end(&stuck, stuck.op[0], BLK_SECTOR);
    cr_assert_eq(rests, 1);
    cr_assert_eq(rest, 0);
    devices_resume(&devices);
    cr_assert(devices.limit_runs, "its timer is nobody's, and goes with the devices");
}

static void request_again(void)
{
    struct vring_avail *avail = mem_at(&vm.mem, AVAIL, 64);

    avail->ring[1] = 0;
    avail->idx = 2;
    virtio_kick(devices.entry[0].virtio, 0);
    settle();
    cr_assert_eq(stuck.count, 1);
}

/* A second pause has its own limit, though the first one's timer still runs. */
Test(devices_late, a_pause_after_another_has_its_own_limit)
{
    uint64_t at_ns;

    devices.patience_ns = UINT64_C(3600000000000);
    devices_quiesce(&devices, rested);
    stuck_end(&stuck, stuck.op[0], BLK_SECTOR);
    cr_assert_eq(rests, 1);
    cr_assert_eq(loop_run(loop), 0, "the rest has stopped it");
    devices_resume(&devices);
    request_again();
    devices_quiesce(&devices, rested);
    at_ns = devices.limit_at_ns;
    loop_cancel(loop, &devices.limit); /* as good as over */
    settle();
    cr_assert_eq(rests, 1);
    cr_assert(devices.limit_runs);
    cr_assert_eq(devices.limit_at_ns, at_ns, "and no longer");
    stuck_end(&stuck, stuck.op[0], BLK_SECTOR);
    cr_assert_eq(rests, 2);
    devices_resume(&devices);
}

Test(devices_late, the_end_comes_before_the_rest)
{
    devices_quiesce(&devices, rested);
    cr_assert_eq(devices_unplug(&devices), -ETIMEDOUT);
    cr_assert_eq(rests, 0);
    stuck_end(&stuck, stuck.op[0], -EIO);
}

/* The guest's reset waits on, and its end no longer than another. */
Test(devices_late, a_reset_that_waits_does_not_keep_the_end)
{
    devices.entry[0].virtio->late.patience_ns = SOON;
    reg_write(VIRTIO_MMIO_STATUS, 0);
    while (!log_has("that resets the device waits"))
        settle();
    cr_assert_eq(devices_unplug(&devices), -ETIMEDOUT);
    stuck_end(&stuck, stuck.op[0], -EIO);
}
