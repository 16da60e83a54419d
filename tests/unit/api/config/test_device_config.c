#include "api/config/device_config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/guest_x86.h"

static struct device_config c;

static void none(void)
{
    device_config_init(&c);
}

TestSuite(device_config, .init = none);

static struct blk_config *drive(const char *path)
{
    struct blk_config *d = &c.drives[c.drive_count++];

    *d = device_config_drive();
    d->path = path;
    return d;
}

static struct net_config *net(const char *tap, int fd)
{
    struct net_config *n = &c.nets[c.net_count++];

    *n = device_config_net();
    n->tap = tap;
    n->fd = fd;
    return n;
}

static void vsock(uint32_t cid, const char *path)
{
    c.has_vsock = true;
    c.vsock = (struct vsock_config){ .cid = cid, .uds_path = path };
}

static void right(void)
{
    struct err e = { "" };

    cr_assert_eq(device_config_check(&c, &guest_x86.virtio, &e), 0, "%s", e.text);
}

static void wrong(const char *sentence)
{
    struct err e = { "" };

    cr_assert_eq(device_config_check(&c, &guest_x86.virtio, &e), -EINVAL, "%s", sentence);
    cr_assert_str_eq(e.text, sentence);
}

Test(device_config, no_device_is_right)
{
    right();
    cr_assert_eq(device_config_count(&c), 0);
}

Test(device_config, one_of_each_is_right)
{
    drive("/disk");
    net("tap0", -1);
    net(NULL, 5);
    vsock(3, "/vsock");
    c.has_balloon = true;
    c.has_rng = true;
    right();
    cr_assert_eq(device_config_count(&c), 6);
}

Test(device_config, a_drive_flushes_unless_told_otherwise)
{
    cr_assert(device_config_drive().writeback);
    cr_assert_not(device_config_drive().read_only);
}

Test(device_config, the_first_drive_is_the_root)
{
    drive("/a");
    drive("/b");
    cr_assert_eq(device_config_root(&c), 0);
    c.root = 1;
    cr_assert_eq(device_config_root(&c), 1);
}

Test(device_config, everything_has_a_name)
{
    drive("/a");
    drive("/b")->id = "data";
    net("tap0", -1);
    net("tap1", -1);
    cr_assert_str_eq(device_config_drive_id(&c, 0).text, "drive0");
    cr_assert_str_eq(device_config_drive_id(&c, 1).text, "data");
    cr_assert_str_eq(device_config_net_id(&c, 1).text, "net1");
    right();
}

Test(device_config, names_differ_within_a_kind)
{
    drive("/a");
    drive("/b")->id = "drive0";
    wrong("two drives are called 'drive0'");
    c.drives[1].id = "net0";
    net("tap0", -1);
    right();
    net("tap1", -1)->setup.id = "x";
    net("tap2", -1)->setup.id = "x";
    wrong("two network devices are called 'x'");
}

Test(device_config, names_are_of_letters_and_digits)
{
    char longest[DEVICE_ID_MAX + 2];

    memset(longest, 'x', sizeof(longest));
    longest[DEVICE_ID_MAX] = '\0';
    drive("/a")->id = longest;
    right();
    cr_assert_str_eq(device_config_drive_id(&c, 0).text, longest);
    longest[DEVICE_ID_MAX] = 'x';
    longest[DEVICE_ID_MAX + 1] = '\0';
    cr_assert_eq(device_config_check(&c, &guest_x86.virtio, NULL), -EINVAL);
    c.drives[0].id = "Root_fs-2";
    right();
    c.drives[0].id = "";
    wrong("'' is not an id: use letters, digits, '_' and '-'");
    c.drives[0].id = "a/b";
    wrong("'a/b' is not an id: use letters, digits, '_' and '-'");
    c.drives[0].id = NULL;
    net("tap0", -1)->setup.id = "a b";
    wrong("'a b' is not an id: use letters, digits, '_' and '-'");
}

Test(device_config, a_drive_has_a_path_and_a_short_serial)
{
    drive("/a")->serial = "12345678901234567890";
    right();
    c.drives[0].serial = "123456789012345678901";
    wrong("the serial '123456789012345678901' is too long: a guest sees 20 characters");
    c.drives[0].serial = NULL;
    c.drives[0].path = "";
    wrong("the path of a drive is empty");
    c.drives[0].path = NULL;
    wrong("the path of a drive is empty");
}

Test(device_config, a_network_device_has_one_tap)
{
    net(NULL, -1);
    wrong("a network device needs exactly one tap: tap=NAME or fd=N");
    c.nets[0].tap = "tap0";
    right();
    c.nets[0].fd = 0;
    wrong("a network device needs exactly one tap: tap=NAME or fd=N");
    c.nets[0].tap = NULL;
    right();
    net(NULL, 0);
    wrong("two network devices are on descriptor 0");
    c.nets[1].fd = 1;
    right();
}

Test(device_config, a_vsock_has_a_path)
{
    vsock(3, NULL);
    wrong("a vsock needs the path of a unix socket");
    vsock(3, "/s");
    right();
}

Test(device_config, a_machine_has_room_for_17)
{
    cr_assert_eq(guest_x86.virtio.max, DEVICES_MAX);
    for (unsigned i = 0; i < 16; i++)
        drive("/a");
    vsock(3, "/s");
    right();
    c.has_rng = true;
    wrong("18 devices are too many: a machine has room for 17");
}
