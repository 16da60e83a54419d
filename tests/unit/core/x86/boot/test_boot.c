/* Booting: everything in its place, by either protocol, and what the operator can get wrong. */
#include "core/x86/boot/boot.h"

#include <asm/bootparam.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "lib/x86/image.h"

#define RAM (4ull << 20)

struct guest {
    struct mem m;
    struct vcpu_regs bsp;
    struct boot_stats stats;
    struct err e;
    char kernel[IMAGE_PATH];
    char initrd[IMAGE_PATH];
};

static int boot(struct guest *g, struct image kernel, const struct image *initrd, uint64_t ram,
                const char *cmdline)
{
    struct guest_boot config = { .kernel = g->kernel, .cmdline = cmdline };
    int ret;

    g->m = image_memory(ram, false);
    memset(&g->bsp, 0xaa, sizeof(g->bsp));
    image_save(&kernel, g->kernel);
    if (initrd) {
        image_save(initrd, g->initrd);
        config.initrd = g->initrd;
    }
    ret = boot_load(&config, &g->m, &g->bsp, &g->stats, &g->e);
    (void)unlink(g->kernel);
    if (initrd)
        (void)unlink(g->initrd);
    image_free(&kernel);
    return ret;
}

Test(boot, pvh_with_initrd)
{
    struct image initrd = image_kernel(0);
    struct guest g;
    uint64_t module[2];

    cr_assert_eq(boot(&g, image_kernel(0x201200), &initrd, RAM, "console=ttyS0"), 0);
    cr_expect_str_eq(mem_at(&g.m, LAYOUT_CMDLINE, 14), "console=ttyS0");
    cr_expect_eq(g.bsp.rip, 0x201200);
    cr_expect_eq(g.bsp.gpr[X86_RBX], LAYOUT_PVH_INFO);
    cr_expect_eq(g.bsp.gpr[X86_RAX] | g.bsp.cr2 | g.bsp.ldt.base, 0, "and nothing is left over");
    cr_expect_eq(g.stats.protocol, BOOT_PVH);
    cr_expect_eq(g.stats.initrd, RAM - 0xc000);
    cr_expect_eq(g.stats.initrd_size, initrd.size);
    cr_assert(mem_read(&g.m, LAYOUT_PVH_MODULES, module, sizeof(module)));
    cr_expect_eq(module[0], g.stats.initrd);
    cr_expect_eq(module[1], initrd.size);
    cr_expect_arr_eq(mem_at(&g.m, module[0], module[1]), initrd.data, initrd.size);
    mem_finish(&g.m);
    image_free(&initrd);
}

Test(boot, linux64_with_initrd)
{
    struct image initrd = image_kernel(0);
    struct guest g;
    struct boot_params p;

    cr_assert_eq(boot(&g, image_kernel(0), &initrd, RAM, ""), 0);
    cr_expect_eq(g.bsp.rip, IMAGE_KERNEL_START);
    cr_expect_eq(g.bsp.gpr[X86_RSI], LAYOUT_ZERO_PAGE);
    cr_expect_eq(g.stats.protocol, BOOT_LINUX64);
    cr_assert(mem_read(&g.m, LAYOUT_ZERO_PAGE, &p, sizeof(p)));
    cr_expect_eq(p.hdr.ramdisk_image, RAM - 0xc000);
    cr_expect_eq(p.hdr.ramdisk_size, initrd.size);
    mem_finish(&g.m);
    image_free(&initrd);
}

Test(boot, without_an_initrd)
{
    struct guest g;

    cr_assert_eq(boot(&g, image_kernel(0), NULL, RAM, "quiet"), 0);
    cr_expect_eq(g.stats.initrd, 0);
    cr_expect_eq(g.stats.initrd_size, 0);
    mem_finish(&g.m);
}

Test(boot, a_command_line_that_is_too_long_names_length_and_limit)
{
    char cmdline[LAYOUT_CMDLINE_MAX + 1];
    struct guest g;

    memset(cmdline, 'x', sizeof(cmdline));
    cmdline[LAYOUT_CMDLINE_MAX] = '\0';
    cr_expect_eq(boot(&g, image_kernel(0), NULL, RAM, cmdline), -E2BIG);
    cr_expect_str_eq(g.e.text, "the kernel command line is 2048 bytes long; 2047 is the limit");
    mem_finish(&g.m);

    cmdline[LAYOUT_CMDLINE_MAX - 1] = '\0';
    cr_expect_eq(boot(&g, image_kernel(0), NULL, RAM, cmdline), 0);
    cr_expect_str_eq(mem_at(&g.m, LAYOUT_CMDLINE, LAYOUT_CMDLINE_MAX), cmdline);
    mem_finish(&g.m);
}

Test(boot, too_little_memory_is_refused)
{
    struct guest g;

    cr_expect_eq(boot(&g, image_kernel(0), NULL, 1 << 20, ""), -EINVAL);
    cr_expect_str_eq(g.e.text, "guest memory of 1048576 bytes leaves no room for a kernel; more "
                               "than 1 MiB is needed");
    mem_finish(&g.m);
}

Test(boot, an_initrd_that_does_not_fit_is_refused)
{
    struct image initrd = image_kernel(0);
    struct guest g;

    cr_expect_eq(boot(&g, image_kernel(0), &initrd, IMAGE_KERNEL_END + 0xb000, ""), -EFBIG);
    cr_expect(strstr(g.e.text, "45347 bytes do not fit"), "%s", g.e.text);
    mem_finish(&g.m);
    cr_expect_eq(boot(&g, image_kernel(0), &initrd, IMAGE_KERNEL_END + 0xc000, ""), 0);
    cr_expect_eq(g.stats.initrd, IMAGE_KERNEL_END, "touching the kernel, not overlapping it");
    mem_finish(&g.m);
    image_free(&initrd);
}

Test(boot, a_kernel_that_is_none_is_refused)
{
    struct image text = { calloc(1, 1000), 1000 };
    struct guest g;

    cr_expect_eq(boot(&g, text, NULL, RAM, ""), -ENOEXEC);
    cr_expect(strstr(g.e.text, "is not a kernel"), "%s", g.e.text);
    mem_finish(&g.m);
}
