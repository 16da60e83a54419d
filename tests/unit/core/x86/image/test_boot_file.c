/* Files to boot from: which are refused, and reading them. */
#include "core/x86/image/boot_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/x86/image.h"

static void refuse(const char *path, int code, const char *why)
{
    struct boot_file f;
    struct err e = { "" };

    cr_expect_eq(boot_file_open(&f, path, &e), -code, "%s: %s", path, e.text);
    cr_expect_str_eq(e.text, why);
    boot_file_close(&f);
    cr_expect_eq(f.fd, -1);
}

Test(boot_file, what_cannot_hold_a_kernel_is_refused)
{
    struct image empty = { NULL, 0 };
    char path[IMAGE_PATH];

    refuse("/nonexistent/kernel", ENOENT, "cannot be opened: No such file or directory");
    refuse("/tmp", EISDIR, "is a directory");
    refuse("/dev/null", EINVAL, "is neither a regular file nor a block device");
    image_save(&empty, path);
    refuse(path, ENODATA, "is empty");
    (void)unlink(path);
}

/* Without a writer, an open that waits for one would never return. */
Test(boot_file, a_fifo_is_refused_at_once)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/mote-test-fifo-%d", (int)getpid());
    cr_assert_eq(mkfifo(path, 0600), 0);
    refuse(path, EINVAL, "is neither a regular file nor a block device");
    (void)unlink(path);
}

Test(boot_file, reads_and_maps_the_same_bytes)
{
    struct image image = image_kernel(0);
    struct boot_file f;
    struct err e;
    uint8_t part[100];
    char path[IMAGE_PATH];

    image_save(&image, path);
    cr_assert_eq(boot_file_open(&f, path, &e), 0);
    (void)unlink(path);
    cr_expect_eq(f.size, image.size);
    cr_expect(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
    cr_expect_null(f.data);
    cr_assert_eq(boot_file_map(&f, &e), 0);
    cr_expect_arr_eq(f.data, image.data, image.size);
    cr_expect_eq(boot_file_read(&f, 1234, part, sizeof(part), &e), 0);
    cr_expect_arr_eq(part, image.data + 1234, sizeof(part));
    cr_expect_eq(boot_file_read(&f, image.size - 99, part, sizeof(part), &e), -EIO);
    cr_expect_str_eq(e.text, "ended after 45347 bytes while it was read");
    boot_file_close(&f);
    boot_file_close(&f);
    image_free(&image);
}

Test(boot_file, what_cannot_be_read_says_why)
{
    struct boot_file f = { .fd = open("/tmp", O_RDONLY | O_DIRECTORY) };
    struct err e;
    uint8_t byte;

    cr_expect_eq(boot_file_read(&f, 0, &byte, 1, &e), -EISDIR);
    cr_expect_str_eq(e.text, "cannot be read: Is a directory");
    f.size = 1;
    cr_expect_lt(boot_file_map(&f, &e), 0);
    cr_expect_eq(strncmp(e.text, "cannot be mapped: ", 18), 0);
    boot_file_close(&f);
}
