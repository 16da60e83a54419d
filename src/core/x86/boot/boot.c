/* Loads kernel, initrd and command line, then writes the tables of the boot protocol. */
#include "core/x86/boot/boot.h"

#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/boot/e820.h"
#include "core/x86/boot/initrd.h"
#include "core/x86/boot/linux64.h"
#include "core/x86/boot/pvh.h"
#include "core/x86/image/expect.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"

static int boot_check(const struct guest_boot *boot, const struct mem *m, struct err *e)
{
    size_t len = strlen(boot->cmdline);

    if (len > LAYOUT_CMDLINE_MAX - 1)
        return err_set(e, E2BIG, "the kernel command line is %zu bytes long; %u is the limit", len,
                       LAYOUT_CMDLINE_MAX - 1);
    if (m->regions[0].size <= LAYOUT_HIGH_RAM)
        return err_set(e, EINVAL,
                       "guest memory of %llu bytes leaves no room for a kernel; more than 1 MiB "
                       "is needed",
                       (unsigned long long)m->size);
    return 0;
}

static bool boot_write_tables(const struct mem *m, const struct kernel *k,
                              const struct initrd *initrd, const char *cmdline,
                              struct vcpu_regs *bsp)
{
    struct e820 map;

    e820_build(&map, m);
    *bsp = (struct vcpu_regs){ 0 };
    if (!mem_write(m, LAYOUT_CMDLINE, cmdline, strlen(cmdline) + 1))
        return false;
    return k->protocol == BOOT_PVH ? pvh_setup(m, k, initrd, &map, bsp)
                                   : linux64_setup(m, k, initrd, &map, bsp);
}

int boot_load(const struct guest_boot *boot, struct mem *m, struct vcpu_regs *bsp,
              struct boot_stats *stats, struct err *e)
{
    struct initrd initrd = { 0 };
    struct kernel kernel;
    int ret = boot_check(boot, m, e);

    *stats = (struct boot_stats){ 0 };
    if (ret == 0)
        ret = kernel_load(boot->kernel, m, &kernel, stats, e);
    if (!boot->initrd)
        expect_top(m, 0, 0);
    else if (ret == 0)
        ret = initrd_load(boot->initrd, m, &kernel, &initrd, e);
    if (ret < 0)
        return ret;

    stats->initrd = initrd.gpa;
    stats->initrd_size = initrd.size;
    if (!boot_write_tables(m, &kernel, &initrd, boot->cmdline, bsp))
        return err_set(e, EFAULT, "the guest has no memory below 1 MiB for the boot tables");
    return 0;
}
