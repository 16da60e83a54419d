/*
 * Drives on block devices of the host. A test can count neither on having one nor on being allowed
 * to make one. So a file stands for it, and the fstat and ioctl below say what those of a device
 * would.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "virtio-mmio/blk/blk_file.h"

static char path[64];
static ino_t inode; /* of the file; 0: there is none */
static struct blk_file f;
static struct err e;

static struct {
    int read_only;
    int logical; /* 0: the device does not report it */
    unsigned physical;
} device;

static bool is_device(int fd)
{
    struct stat st;

    return inode != 0 && fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && st.st_ino == inode;
}

int fstat(int fd, struct stat *st)
{
    int ret = fstatat(fd, "", st, AT_EMPTY_PATH);

    if (ret == 0 && is_device(fd))
        st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
    return ret;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *to;

    va_start(args, request);
    to = va_arg(args, void *);
    va_end(args);
    if (!is_device(fd) || (request == BLKSSZGET && device.logical == 0)) {
        errno = ENOTTY;
        return -1;
    }
    switch (request) {
    case BLKSSZGET:
        memcpy(to, &device.logical, sizeof(device.logical));
        return 0;
    case BLKPBSZGET:
        memcpy(to, &device.physical, sizeof(device.physical));
        return 0;
    case BLKROGET:
        memcpy(to, &device.read_only, sizeof(device.read_only));
        return 0;
    default:
        errno = ENOTTY;
        return -1;
    }
}

static void make(void)
{
    struct stat st;
    int fd;

    strcpy(path, "/tmp/test_blk_device.XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, 100 * 4096), 0);
    cr_assert_eq(fstatat(fd, "", &st, AT_EMPTY_PATH), 0);
    inode = st.st_ino;
    device.read_only = 0;
    device.logical = 512;
    device.physical = 4096;
    (void)close(fd);
}

static void remove_it(void)
{
    inode = 0;
    (void)unlink(path);
}

TestSuite(blk_device, .init = make, .fini = remove_it);

static int open_it(bool read_only)
{
    return blk_file_open(&f, path, (struct blk_file_mode){ .read_only = read_only }, &e);
}

Test(blk_device, says_what_its_blocks_are)
{
    cr_assert_eq(open_it(false), 0, "%s", e.text);
    cr_assert_eq(f.sectors, 800);
    cr_assert_eq(f.block, 512);
    cr_assert_eq(f.unit, 4096);
    cr_assert(f.can_punch && f.can_zero);
    blk_file_close(&f);
    device.logical = 4096;
    cr_assert_eq(open_it(true), 0, "%s", e.text);
    cr_assert_eq(f.block, 4096);
    cr_assert_not(f.can_punch || f.can_zero);
    blk_file_close(&f);
}

/* Such a device can be opened for writing, but would fail every write. */
Test(blk_device, a_read_only_one_is_no_writable_drive)
{
    device.read_only = 1;
    cr_assert_eq(open_it(false), -EROFS, "%s", e.text);
    cr_assert(strstr(e.text, path) && strstr(e.text, "give the drive the key ro"), "%s", e.text);
    cr_assert_eq(open_it(true), 0, "%s", e.text);
    cr_assert_eq(f.sectors, 800);
    blk_file_close(&f);
}

Test(blk_device, one_that_reports_no_block_size_is_refused)
{
    device.logical = 0;
    cr_assert_eq(open_it(true), -ENOTTY);
    cr_assert(strstr(e.text, "does not report its block size"), "%s", e.text);
}
