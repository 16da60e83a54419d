/* A machine's virtio devices, in a machine on the scripted accelerator. */
#include "api/machine/devices.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config/config.h"
#include "core/base/err.h"
#include "core/base/metrics.h"
#include "core/loop/loop.h"
#include "core/vm/bus.h"
#include "core/vm/guest_arch.h"
#include "core/vm/vm.h"
#include "core/x86/board/guest_x86.h"
#include "core/x86/layout.h"
#include "lib/vm/scripted.h"

static char folder[] = "/tmp/mote-devices-XXXXXX";
static char paths[3][64]; /* two files and a socket */
static struct machine_config machine;
static struct devices devices;
static struct metrics metrics;
static struct timeline timeline;
static struct loop *loop;
static struct vm vm;

static void set_up(void)
{
    const struct vm_config c = {
        .arch = &guest_x86,
        .mem = { .size = 32 << 20, .gap_start = LAYOUT_GAP_START, .gap_end = LAYOUT_GAP_END },
        .vcpu_count = 1,
        .accel = &scripted_accel
    };
    struct err e;

    cr_assert_not_null(mkdtemp(folder));
    for (unsigned i = 0; i < 3; i++)
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%u", folder, i);
    for (unsigned i = 0; i < 2; i++) {
        int fd = open(paths[i], O_RDWR | O_CREAT | O_EXCL, 0600);
        cr_assert_eq(ftruncate(fd, (i + 1) << 20), 0);
        (void)close(fd);
    }
    config_init(&machine, &guest_x86);
    cr_assert_eq(loop_create(&loop, LOOP_AUTO, &e), 0, "%s", e.text);
    cr_assert_eq(vm_init(&vm, &c, loop, &timeline, &e), 0, "%s", e.text);
}

static void tear_down(void)
{
    devices_destroy(&devices);
    vm_finish(&vm);
    loop_destroy(loop);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(unlink(paths[i]), 0);
    cr_assert_eq(rmdir(folder), 0, "nothing else is left behind");
    cr_assert_eq(atomic_load(&scripted_alive), 0);
}

TestSuite(devices, .init = set_up, .fini = tear_down);

static void want_drive(const char *path)
{
    machine.devices.drives[machine.devices.drive_count] = device_config_drive();
    machine.devices.drives[machine.devices.drive_count++].path = path;
}

static void want_vsock(void)
{
    machine.devices.has_vsock = true;
    machine.devices.vsock = (struct vsock_config){ .cid = 3, .uds_path = paths[2] };
}

static void want_all(void)
{
    want_drive(paths[0]);
    want_drive(paths[1]);
    want_vsock();
    machine.devices.has_balloon = true;
    machine.devices.balloon.target = 4 << 20;
    machine.devices.has_rng = true;
}

static int create(struct err *e)
{
    int ret = devices_open_drives(&devices, &machine, e);

    return ret == 0 ? devices_create(&devices, &machine, e) : ret;
}

static uint32_t reg(unsigned window, uint32_t offset)
{
    uint32_t value = 0;

    (void)bus_read(&vm.mmio, LAYOUT_VIRTIO + window * LAYOUT_VIRTIO_SIZE + offset, &value, 4);
    return value;
}

Test(devices, each_has_its_window_and_its_interrupt)
{
    static const uint32_t ids[] = { VIRTIO_ID_BLOCK, VIRTIO_ID_BLOCK, VIRTIO_ID_VSOCK,
                                    VIRTIO_ID_BALLOON, VIRTIO_ID_RNG };
    struct err e = { "" };

    want_all();
    cr_assert_eq(create(&e), 0, "%s", e.text);
    cr_assert_eq(access(paths[2], F_OK), 0, "clients may come before the guest runs");
    cr_assert_eq(devices_plug(&devices, &vm, &metrics, &e), 0, "%s", e.text);
    cr_assert_eq(devices.count, 5);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(reg(i, VIRTIO_MMIO_DEVICE_ID), ids[i]);
        cr_assert_eq(devices.entry[i].line.gsi, LAYOUT_GSI_VIRTIO + i);
    }
    cr_assert_str_eq(metrics.first->name, "block.drive0");
    cr_assert_eq(devices_unplug(&devices), 0);
    cr_assert_null(metrics.first);
    devices_destroy(&devices);
    cr_assert_neq(access(paths[2], F_OK), 0);
}

Test(devices, the_root_drive_comes_first)
{
    want_drive(paths[0]);
    want_drive(paths[1]);
    machine.devices.root = 1;
    cr_assert_eq(create(NULL), 0);
    cr_assert_eq(devices_plug(&devices, &vm, NULL, NULL), 0);
    cr_assert_eq(reg(0, VIRTIO_MMIO_CONFIG), (2 << 20) / 512, "its capacity");
    cr_assert_eq(reg(1, VIRTIO_MMIO_CONFIG), (1 << 20) / 512);
    cr_assert_eq(devices_unplug(&devices), 0);
}

Test(devices, one_that_cannot_be_made_leaves_nothing)
{
    struct err e = { "" };

    want_vsock();
    want_drive(paths[0]);
    want_drive("/nonexistent");
    cr_assert_eq(create(&e), -ENOENT);
    cr_assert(strstr(e.text, "/nonexistent"), "%s", e.text);
    cr_assert_eq(devices.count, 0);
    machine.devices.drives[1].path = paths[0];
    cr_assert_eq(create(&e), -EAGAIN, "one file, written by two drives");
    machine.devices.drive_count = 1;
    cr_assert_eq(create(&e), 0, "%s", e.text);
}

Test(devices, a_tap_is_opened_or_taken_over)
{
    struct err e = { "" };

    machine.devices.nets[0] = device_config_net();
    machine.devices.nets[0].tap = "no-such-tap";
    machine.devices.net_count = 1;
    cr_assert_eq(create(&e), -ENODEV);
    cr_assert(strstr(e.text, "there is no interface 'no-such-tap'"), "%s", e.text);
    machine.devices.nets[0].tap = NULL;
    machine.devices.nets[0].fd = open("/dev/null", O_RDWR);
    cr_assert_lt(create(&e), 0);
    cr_assert(strstr(e.text, "is not a tap"), "%s", e.text);
    cr_assert_eq(close(machine.devices.nets[0].fd), 0, "still ours");
}

Test(devices, a_machine_that_refuses_one_gives_back_all)
{
    struct err e = { "" };

    for (unsigned i = 0; i < SCRIPTED_DOORBELLS; i++) {
        want_drive(paths[0]);
        machine.devices.drives[i].read_only = true;
    }
    want_vsock();
    cr_assert_eq(create(&e), 0, "%s", e.text);
    cr_assert_eq(devices_plug(&devices, &vm, &metrics, &e), -ENOSPC, "the last has no doorbell");
    cr_assert_eq(devices_unplug(&devices), 0);
    cr_assert_null(metrics.first);
    cr_assert_eq(devices_unplug(&devices), 0, "nothing is left to do");
}

Test(devices, without_an_interrupt_there_is_no_device)
{
    struct err e = { "" };

    want_all();
    scripted_faults.irq = true;
    cr_assert_eq(create(&e), 0, "%s", e.text);
    cr_assert_eq(devices_plug(&devices, &vm, &metrics, &e), -EIO);
    cr_assert_eq(devices_unplug(&devices), 0);
    scripted_faults.irq = false;
}

Test(devices, those_never_plugged_are_destroyed)
{
    want_all();
    cr_assert_eq(create(NULL), 0);
    cr_assert_eq(devices_unplug(&devices), 0);
}

Test(devices, a_device_judges_what_is_its_own)
{
    struct err e = { "" };

    want_vsock();
    machine.devices.vsock.cid = 2;
    cr_assert_eq(create(&e), -EINVAL);
    cr_assert_str_eq(e.text, "a guest's vsock CID is 3 to 4294967294, not 2");
    machine.devices.vsock.cid = 3;
    machine.devices.vsock.uds_path = "";
    cr_assert_eq(create(&e), -EINVAL);
    cr_assert_neq(access(paths[2], F_OK), 0);
}

Test(devices, a_balloon_takes_no_more_than_there_is)
{
    struct err e = { "" };

    machine.devices.has_balloon = true;
    machine.devices.balloon.target = machine.mem_size + 4096;
    cr_assert_eq(create(&e), -EINVAL);
    cr_assert(strstr(e.text, "balloon"), "%s", e.text);
    machine.devices.balloon.target = machine.mem_size;
    cr_assert_eq(create(&e), 0, "%s", e.text);
}

Test(devices, none_is_none)
{
    cr_assert_eq(create(NULL), 0);
    cr_assert_eq(devices_plug(&devices, &vm, NULL, NULL), 0);
    cr_assert_eq(devices_unplug(&devices), 0);
}
