/*
 * The initrd lies as high below the MMIO gap as the kernel allows, out of the way of whatever the
 * kernel does around its own image.
 */
#include "core/x86/boot/initrd.h"

#include <errno.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/x86/image/boot_file.h"
#include "core/x86/image/expect.h"
#include "core/x86/image/kernel.h"

bool initrd_place(gpa_t floor, gpa_t ceiling, uint64_t size, gpa_t *gpa)
{
    if (ceiling < floor || size > ceiling - floor)
        return false;
    *gpa = (ceiling - size) & ~(PAGE_4K - 1);
    return *gpa >= floor;
}

static int initrd_load_file(const struct boot_file *f, const struct mem *m, const struct kernel *k,
                            struct initrd *out, struct err *e)
{
    gpa_t ceiling = m->regions[0].size;
    gpa_t gpa;
    void *to;

    if (ceiling > k->initrd_last + 1)
        ceiling = k->initrd_last + 1;
    if (!initrd_place(k->end, ceiling, f->size, &gpa))
        return err_set(e, EFBIG,
                       "%llu bytes do not fit: the guest's memory of %llu bytes leaves %llu above "
                       "the kernel; give the guest more",
                       (unsigned long long)f->size, (unsigned long long)m->size,
                       (unsigned long long)(ceiling > k->end ? ceiling - k->end : 0));
    to = mem_at(m, gpa, f->size);
    if (!to)
        return err_set(e, EFAULT, "has no place in the guest's memory");
    *out = (struct initrd){ gpa, f->size };
    expect_top(m, gpa, f->size);
    mem_populate(m, gpa, f->size);
    return boot_file_read(f, 0, to, f->size, e);
}

int initrd_load(const char *path, const struct mem *m, const struct kernel *k, struct initrd *out,
                struct err *e)
{
    struct boot_file f;
    int ret = boot_file_open(&f, path, e);

    if (ret == 0)
        ret = initrd_load_file(&f, m, k, out, e);
    boot_file_close(&f);
    return ret < 0 ? err_wrap(e, ret, "initrd %s", path) : 0;
}
