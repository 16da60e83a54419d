/*
 * Opening, locking and measuring a disk's file.
 *
 * To learn whether a file can have holes, regular_learn punches one beyond its end, where that
 * changes nothing; a device would refuse that range. Everything else that fallocate may do is
 * assumed to work until a call fails. On a device fallocate zeroes, by deallocating (PUNCH_HOLE) or
 * as the ioctl BLKZEROOUT does (ZERO_RANGE). The loop can wait for fallocate, but not for an ioctl.
 * A read-only device can be opened for writing and then fails each write, so BLKROGET asks first.
 */
#include "virtio-mmio/blk/blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/err.h"
#include "virtio-mmio/linger.h"

#define DIRECT_BLOCK 4096u /* if the kernel cannot tell: every disk's block size divides it */

static int file_lock_set(const struct blk_file *f, short type)
{
    struct flock whole = { .l_type = type, .l_whence = SEEK_SET };

    return fcntl(f->fd, F_OFD_SETLK, &whole);
}

static int file_lock(const struct blk_file *f, struct err *e)
{
    short type = f->mode.read_only ? F_RDLCK : F_WRLCK;
    unsigned pauses = 0;
    int ret;

    if (f->mode.unlocked)
        return 0;
    do
        ret = file_lock_set(f, type);
    while (ret < 0 && errno == EAGAIN && f->mode.patient && linger_wait(&pauses));
    if (ret == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return err_sys(e, "cannot be locked (a drive with lock=off need not be)");
    return err_set(e, EAGAIN,
                   f->mode.read_only
                       ? "in use: another process writes to it"
                       : "in use: another process has it open, and a writer needs it alone");
}

bool blk_file_is_remote(uint32_t type)
{
    static const uint32_t remote[] = {
        NFS_SUPER_MAGIC,  FUSE_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        CEPH_SUPER_MAGIC, V9FS_MAGIC,       AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, OCFS2_SUPER_MAGIC,
    };

    for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
        if (remote[i] == type)
            return true;
    return false;
}

/* Finds out what direct I/O has to be aligned to. */
static int direct_limits(struct blk_file *f, struct err *e)
{
    struct statx x = { 0 };

    if (!f->mode.direct)
        return 0;
    f->block = DIRECT_BLOCK;
    f->mem_align = DIRECT_BLOCK;
    if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) < 0 || !(x.stx_mask & STATX_DIOALIGN))
        return 0;
    if (x.stx_dio_offset_align == 0)
        return err_set(e, EOPNOTSUPP, "its filesystem has no direct I/O for this file");
    f->block = x.stx_dio_offset_align > BLK_SECTOR ? x.stx_dio_offset_align : BLK_SECTOR;
    f->mem_align = x.stx_dio_mem_align;
    return 0;
}

static int regular_learn(struct blk_file *f, const struct stat *st, struct err *e)
{
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    struct statfs fs;

    f->unit = st->st_blksize > (blksize_t)f->block ? (uint32_t)st->st_blksize : f->block;
    f->remote = fstatfs(f->fd, &fs) < 0 || blk_file_is_remote((uint32_t)fs.f_type);
    f->can_punch = !f->mode.read_only && fallocate(f->fd, mode, st->st_size, f->unit) == 0;
    return direct_limits(f, e);
}

static int device_learn(struct blk_file *f, struct err *e)
{
    unsigned physical = BLK_SECTOR;
    int logical = (int)BLK_SECTOR, read_only = 0;

    if (ioctl(f->fd, BLKSSZGET, &logical) < 0)
        return err_sys(e, "a device that does not report its block size");
    (void)ioctl(f->fd, BLKROGET, &read_only);
    if (read_only && !f->mode.read_only)
        return err_set(e, EROFS, "a read-only device: give the drive the key ro");
    (void)ioctl(f->fd, BLKPBSZGET, &physical);
    f->unit = physical;
    f->can_punch = !f->mode.read_only;
    f->block = (uint32_t)logical;
    if (f->mode.direct)
        f->mem_align = (uint32_t)logical;
    return 0;
}

/* Finds out everything about an open file but its size. */
static int blk_file_learn(struct blk_file *f, struct err *e)
{
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return err_sys(e, "cannot be examined");
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->block = BLK_SECTOR;
    f->mem_align = 1;
    f->can_zero = !f->mode.read_only;
    if (S_ISREG(st.st_mode))
        return regular_learn(f, &st, e);
    if (S_ISBLK(st.st_mode))
        return device_learn(f, e);
    if (S_ISDIR(st.st_mode))
        return err_set(e, EISDIR, "a directory, not a disk image");
    return err_set(e, EINVAL, "neither a file nor a block device");
}

int blk_file_measure(struct blk_file *f, struct err *e)
{
    off_t size = lseek(f->fd, 0, SEEK_END); /* also works for a device */

    if (size < 0)
        return err_sys(e, "cannot be measured");
    if (size < (off_t)f->block)
        return err_set(e, EINVAL, "%lld bytes are less than one block of %u", (long long)size,
                       f->block);
    f->unseen = (uint32_t)(size % f->block);
    f->sectors = ((uint64_t)size - f->unseen) / BLK_SECTOR;
    return 0;
}

/* O_NONBLOCK: opening a FIFO or a terminal must not block before it is found to be no disk. */
static int file_open_path(struct blk_file *f, const char *path, struct err *e)
{
    int flags = (f->mode.read_only ? O_RDONLY : O_RDWR) | (f->mode.direct ? O_DIRECT : 0);

    f->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd >= 0)
        return 0;
    if (errno == EISDIR)
        return err_set(e, EISDIR, "a directory, not a disk image");
    if (errno == EINVAL && f->mode.direct)
        return err_set(e, EOPNOTSUPP, "its filesystem has no direct I/O");
    if (errno == EROFS || ((errno == EACCES || errno == EPERM) && !f->mode.read_only))
        return err_sys(e, "cannot be opened for writing (a read-only drive need not be)");
    return err_sys(e, "cannot be opened");
}

int blk_file_open(struct blk_file *f, const char *path, struct blk_file_mode mode, struct err *e)
{
    struct blk_file opened = { .mode = mode };
    int ret = file_open_path(&opened, path, e);

    if (ret < 0)
        return err_wrap(e, ret, "%s", path);
    ret = blk_file_learn(&opened, e);
    if (ret == 0)
        ret = file_lock(&opened, e);
    if (ret == 0)
        ret = blk_file_measure(&opened, e);
    if (ret == 0 && fcntl(opened.fd, F_SETFL, mode.direct ? O_DIRECT : 0) < 0)
        ret = err_sys(e, "cannot be made blocking");
    if (ret < 0) {
        blk_file_close(&opened);
        return err_wrap(e, ret, "%s", path);
    }
    *f = opened;
    return 0;
}

void blk_file_close(struct blk_file *f)
{
    if (f->fd < 0)
        return;
    (void)file_lock_set(f, F_UNLCK); /* io_uring may hold a registered file for a second more */
    (void)close(f->fd);
    f->fd = -1;
}
