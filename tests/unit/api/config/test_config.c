#include "api/config/config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/vm/accel.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/guest_x86.h"

static struct machine_config good(void)
{
    struct machine_config c;

    config_init(&c, &guest_x86);
    c.kernel = "vmlinux";
    return c;
}

/* Judged wrong, by a sentence that says `saying`. */
static void expect_wrong(const struct machine_config *c, const char *saying)
{
    struct err e = { "" };

    cr_assert_eq(config_check(c, &e), -EINVAL);
    cr_assert(strstr(e.text, saying), "'%s' does not say '%s'", e.text, saying);
}

static void expect_right(const struct machine_config *c)
{
    struct err e = { "" };

    cr_assert_eq(config_check(c, &e), 0, "%s", e.text);
}

Test(config, has_defaults)
{
    struct machine_config c = good();

    cr_assert_eq(c.mem_size, 256 * MIB);
    cr_assert_eq(c.vcpu_count, 1);
    cr_assert_eq(c.huge, MEM_HUGE_BOOT);
    cr_assert_null(c.accel);
    expect_right(&c);
}

Test(config, needs_paths)
{
    struct machine_config c = good();

    c.kernel = NULL;
    expect_wrong(&c, "no kernel");
    c.kernel = "";
    expect_wrong(&c, "kernel is empty");
    c.kernel = "vmlinux";
    c.initrd = "";
    expect_wrong(&c, "initrd is empty");
}

Test(config, bounds_memory)
{
    struct machine_config c = good();

    c.mem_size = 0;
    expect_wrong(&c, "memory of 0 bytes is too little: a machine has 32M to 64G");
    c.mem_size = 32 * MIB - 4 * KIB;
    expect_wrong(&c, "32764K is too little");
    c.mem_size = 64 * GIB + 4 * KIB;
    expect_wrong(&c, "is too much");
    c.mem_size = UINT64_MAX;
    expect_wrong(&c, "is too much");
    c.mem_size = 32 * MIB;
    expect_right(&c);
    c.mem_size = 64 * GIB;
    expect_right(&c);
}

Test(config, wants_whole_pages)
{
    struct machine_config c = good();

    c.mem_size = 256 * MIB + 1;
    expect_wrong(&c, "whole number of 4K pages");
    c.mem_size = 256 * MIB + 2 * KIB;
    expect_wrong(&c, "is not a whole number of 4K pages");
    c.mem_size = 256 * MIB + 4 * KIB;
    expect_right(&c);
}

Test(config, wants_whole_huge_pages_where_they_are_reserved)
{
    struct machine_config c = good();

    c.mem_size = 257 * MIB;
    c.huge = MEM_HUGE_2M;
    expect_wrong(&c, "memory of 257M is not a whole number of 2M huge pages");
    c.huge = MEM_HUGE_TRANSPARENT;
    expect_right(&c);
    c.huge = MEM_HUGE_2M;
    c.mem_size = 258 * MIB;
    expect_right(&c);
}

Test(config, bounds_vcpus)
{
    struct machine_config c = good();

    c.vcpu_count = 0;
    expect_wrong(&c, "0 vCPUs: a machine has 1 to 32");
    c.vcpu_count = 33;
    expect_wrong(&c, "33 vCPUs");
    c.vcpu_count = (1ull << 32) + 1;
    expect_wrong(&c, "4294967297 vCPUs");
    c.vcpu_count = 32;
    expect_right(&c);
}

Test(config, bounds_the_command_line)
{
    struct machine_config c = good();
    unsigned max = guest_x86.cmdline_max;
    char *line = calloc(1, max + 1);

    memset(line, 'x', max);
    c.cmdline = line;
    expect_wrong(&c, "2048 bytes, at most 2047 fit");
    line[max - 1] = '\0';
    expect_right(&c);
    c.append = "y";
    expect_wrong(&c, "2049 bytes");
    free(line);
}

Test(config, builds_the_command_line)
{
    struct machine_config c = good();
    char line[2048];
    size_t len;

    len = config_cmdline(&c, line, sizeof(line));
    cr_assert_str_eq(line, guest_x86.cmdline);
    cr_assert_eq(len, strlen(line));

    c.append = "quiet";
    len = config_cmdline(&c, line, sizeof(line));
    cr_assert_eq(len, strlen(guest_x86.cmdline) + strlen(" quiet"));
    cr_assert_str_eq(line + len - strlen(" quiet"), " quiet");

    c.cmdline = "";
    cr_assert_eq(config_cmdline(&c, line, sizeof(line)), 5);
    cr_assert_str_eq(line, "quiet");

    c.append = NULL;
    cr_assert_eq(config_cmdline(&c, line, sizeof(line)), 0);
    c.cmdline = "console=ttyS0";
    cr_assert_eq(config_cmdline(&c, line, 4), strlen("console=ttyS0"));
    cr_assert_str_eq(line, "con", "cut, as snprintf cuts");
}

static void want_drive(struct machine_config *c, bool read_only)
{
    struct blk_config *d = &c->devices.drives[c->devices.drive_count++];

    *d = device_config_drive();
    d->path = "disk";
    d->read_only = read_only;
}

static void expect_behind_the_model(const struct machine_config *c, const char *more)
{
    char line[2048];
    size_t len = config_cmdline(c, line, sizeof(line));

    cr_assert_eq(len, strlen(line));
    cr_assert_eq(strncmp(line, guest_x86.cmdline, strlen(guest_x86.cmdline)), 0);
    cr_assert_str_eq(line + strlen(guest_x86.cmdline), more);
}

Test(config, a_drive_is_the_root_unless_somebody_says_otherwise)
{
    struct machine_config c = good();
    char line[64];

    want_drive(&c, false);
    expect_behind_the_model(&c, " root=/dev/vda rw");
    want_drive(&c, true);
    expect_behind_the_model(&c, " root=/dev/vda rw");
    c.devices.root = 1;
    expect_behind_the_model(&c, " root=/dev/vda ro");
    c.append = "quiet croot=1 -- root";
    expect_behind_the_model(&c, " root=/dev/vda ro quiet croot=1 -- root");
    c.append = "quiet root=/dev/vdb";
    expect_behind_the_model(&c, " quiet root=/dev/vdb");
    c.append = "root=/dev/ram0";
    expect_behind_the_model(&c, " root=/dev/ram0");
    c.append = NULL;
    c.cmdline = "mine";
    (void)config_cmdline(&c, line, sizeof(line));
    cr_assert_str_eq(line, "mine");
}

Test(config, announces_devices_where_asked)
{
    struct machine_config c = good();
    char line[128];
    size_t len;

    c.cmdline = "mine -- words of init's";
    c.virtio_cmdline = true;
    (void)config_cmdline(&c, line, sizeof(line));
    cr_assert_str_eq(line, "mine -- words of init's", "there is none");
    want_drive(&c, false);
    c.devices.has_rng = true;
    len = config_cmdline(&c, line, sizeof(line));
    cr_assert_str_eq(line, "virtio_mmio.device=4K@0xc0001000:5 "
                           "virtio_mmio.device=4K@0xc0002000:6 mine -- words of init's");
    cr_assert_eq(config_cmdline(&c, line, 10), len, "cut, as snprintf cuts");
    cr_assert_str_eq(line, "virtio_mm");
}

Test(config, judges_the_devices)
{
    struct machine_config c = good();

    want_drive(&c, false);
    expect_right(&c);
    c.devices.drives[0].path = "";
    expect_wrong(&c, "the path of a drive is empty");
}

Test(config, default_command_line_suits_a_stock_kernel_on_a_terminal)
{
    cr_assert(strstr(guest_x86.cmdline, "console=ttyS0"));
    cr_assert_null(strstr(guest_x86.cmdline, "nomodule"));
    cr_assert_lt(strlen(guest_x86.cmdline), guest_x86.cmdline_max / 2,
                 "there is room for --append");
}

Test(config, knows_kinds_of_huge_pages)
{
    struct err e;
    enum mem_huge huge = MEM_HUGE_NONE;

    cr_assert_eq(config_huge_parse("transparent", &huge, &e), 0);
    cr_assert_eq(huge, MEM_HUGE_TRANSPARENT);
    cr_assert_eq(config_huge_parse("boot", &huge, &e), 0);
    cr_assert_eq(huge, MEM_HUGE_BOOT);
    cr_assert_eq(config_huge_parse("2m", &huge, &e), 0);
    cr_assert_eq(huge, MEM_HUGE_2M);
    cr_assert_eq(config_huge_parse("None", &huge, &e), 0);
    cr_assert_eq(huge, MEM_HUGE_NONE);
    cr_assert_eq(config_huge_parse("1G", &huge, &e), -EINVAL);
    cr_assert(strstr(e.text, "'1G' is not a kind of huge pages: none, boot, transparent or 2M"));
    cr_assert_eq(config_huge_parse("", &huge, &e), -EINVAL);
    cr_assert_eq(huge, MEM_HUGE_NONE);
}

Test(config, finds_the_accelerator)
{
    static const struct accel_ops kvm = { .name = "kvm" };
    static const struct accel_ops emu = { .name = "emu" };
    static const struct accel_ops *const accels[] = { &kvm, &emu, NULL };
    struct machine_config c = good();
    struct choice choice = { 0 };
    struct err e;

    c.accel = "emu";
    cr_assert_eq(config_accel(&c, accels, &choice, &e), 0);
    cr_assert_eq(choice.accels[0], &emu);
    cr_assert_eq(choice.count, 1);
    c.accel = "kvm";
    cr_assert_eq(config_accel(&c, accels, &choice, &e), 0);
    cr_assert_eq(choice.accels[0], &kvm);
    cr_assert_eq(choice.count, 1, "who names one gets no other");
    c.accel = "xen";
    cr_assert_eq(config_accel(&c, accels, &choice, &e), -EINVAL);
    cr_assert_str_eq(e.text, "'xen' is not an accelerator: choose from auto, kvm, emu");
    c.accel = "";
    cr_assert_eq(config_accel(&c, accels, &choice, &e), -EINVAL);
    cr_assert_eq(choice.count, 1, "unchanged");
}

Test(config, passes_over_accelerators_of_other_architectures)
{
    static const struct accel_ops other = { .name = "other", .guest = "toy" };
    static const struct accel_ops ours = { .name = "ours", .guest = "x86_64" };
    static const struct accel_ops *const accels[] = { &other, &ours, NULL };
    static const struct accel_ops *const others[] = { &other, NULL };
    struct machine_config c = good();
    struct choice choice = { 0 };
    struct err e;

    cr_assert_eq(config_accel(&c, accels, &choice, &e), 0);
    cr_assert_eq(choice.count, 1);
    cr_assert_eq(choice.accels[0], &ours);
    c.accel = "other";
    cr_assert_eq(config_accel(&c, accels, &choice, &e), -EINVAL);
    cr_assert_str_eq(e.text, "'other' is not an accelerator: choose from auto, ours");
    c.accel = NULL;
    cr_assert_eq(config_accel(&c, others, &choice, &e), -EINVAL);
    cr_assert_str_eq(e.text, "this mote has no accelerator for x86_64 guests");
}

Test(config, leaves_the_accelerator_to_be_chosen)
{
    static const struct accel_ops kvm = { .name = "kvm" };
    static const struct accel_ops emu = { .name = "emu" };
    static const struct accel_ops *const accels[] = { &kvm, &emu, NULL };
    static const char *const words[] = { NULL, "auto" };
    struct machine_config c = good();

    for (unsigned i = 0; i < 2; i++) {
        struct choice choice = { 0 };

        c.accel = words[i];
        cr_assert_eq(config_accel(&c, accels, &choice, NULL), 0);
        cr_assert_eq(choice.accels[0], &kvm);
        cr_assert_eq(choice.count, 2);
    }
}
