#include "api/machine/boot_files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/config/config.h"
#include "core/base/err.h"

static char dir[64];
static char path[6][96];

enum file {
    KERNEL,
    INITRD,
    EMPTY,
    FIFO,
    SECRET,
    MISSING,
};

static void write_file(const char *name, size_t len)
{
    FILE *f = fopen(name, "w");

    cr_assert_not_null(f);
    for (size_t i = 0; i < len; i++)
        (void)fputc('x', f);
    (void)fclose(f);
}

static void make(void)
{
    static const char *const names[] = { "kernel", "initrd", "empty", "fifo", "secret", "missing" };

    (void)snprintf(dir, sizeof(dir), "/tmp/mote-boot-files-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    for (unsigned i = 0; i < 6; i++)
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", dir, names[i]);
    write_file(path[KERNEL], 10);
    write_file(path[INITRD], 4096);
    write_file(path[EMPTY], 0);
    write_file(path[SECRET], 10);
    cr_assert_eq(chmod(path[SECRET], 0), 0);
    cr_assert_eq(mkfifo(path[FIFO], 0600), 0);
}

static void clear(void)
{
    for (unsigned i = 0; i < 6; i++)
        (void)unlink(path[i]);
    (void)rmdir(dir);
}

TestSuite(boot_files, .init = make, .fini = clear);

static int check(const char *kernel, const char *initrd, uint64_t mem_size, struct err *e)
{
    struct machine_config c = { .kernel = kernel, .initrd = initrd, .mem_size = mem_size };

    return boot_files_check(&c, e);
}

static void expect_wrong(const char *kernel, const char *initrd, int code, const char *saying)
{
    struct err e = { "" };

    cr_assert_eq(check(kernel, initrd, 1 << 20, &e), -code);
    cr_assert(strstr(e.text, saying), "'%s' does not say '%s'", e.text, saying);
}

Test(boot_files, are_there)
{
    struct err e = { "" };

    cr_assert_eq(check(path[KERNEL], NULL, 1 << 20, &e), 0, "%s", e.text);
    cr_assert_eq(check(path[KERNEL], path[INITRD], 1 << 20, &e), 0, "%s", e.text);
}

Test(boot_files, are_missing)
{
    expect_wrong(path[MISSING], NULL, ENOENT, "missing: No such file or directory");
    expect_wrong(path[KERNEL], path[MISSING], ENOENT, "initrd ");
}

Test(boot_files, are_no_files)
{
    expect_wrong(dir, NULL, EINVAL, "not a regular file");
    expect_wrong(path[FIFO], NULL, EINVAL, "not a regular file");
    expect_wrong(path[KERNEL], "/dev/null", EINVAL, "initrd /dev/null: not a regular file");
}

Test(boot_files, are_empty)
{
    expect_wrong(path[EMPTY], NULL, EINVAL, "the file is empty");
    expect_wrong(path[KERNEL], path[EMPTY], EINVAL, "the file is empty");
}

Test(boot_files, are_not_ours_to_read)
{
    cr_assert_eq(chmod(dir, 0755), 0);
    if (geteuid() == 0) /* who may read everything */
        cr_assert_eq(seteuid(65534), 0);
    expect_wrong(path[SECRET], NULL, EACCES, "Permission denied");
    cr_assert_eq(seteuid(getuid()), 0);
}

Test(boot_files, leave_memory_to_the_guest)
{
    struct err e;

    cr_assert_eq(check(path[KERNEL], path[INITRD], 4097, &e), 0);
    cr_assert_eq(check(path[KERNEL], path[INITRD], 4096, &e), -EFBIG);
    cr_assert(strstr(e.text, "its 4096 bytes do not fit into memory of 4K; give the guest more"),
              "%s", e.text);
}
