/* Opening a disk's file: what is taken, what is refused and with which words. */
#include "virtio-mmio/blk/blk_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "lib/forbid.h"

static const struct blk_file_mode writable,
    read_only = { .read_only = true }, direct = { .direct = true }, patient = { .patient = true },
    unlocked = { .unlocked = true };
static char path[64];
static struct blk_file f;
static struct err e;

static void make(off_t size)
{
    int fd;

    strcpy(path, "/tmp/test_blk_file.XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, size), 0);
    close(fd);
}

static void remove_it(void)
{
    (void)unlink(path);
    (void)rmdir(path);
}

TestSuite(blk_file, .fini = remove_it);

/* Whether the sentence names the path and says this. */
static bool says(const char *what)
{
    return strstr(e.text, path) && strstr(e.text, what);
}

Test(blk_file, a_file_of_whole_sectors)
{
    make(100 * 512);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0, "%s", e.text);
    cr_assert_eq(f.sectors, 100);
    cr_assert_eq(f.block, 512);
    cr_assert_eq(f.mem_align, 1);
    cr_assert_gt(f.unit, 0);
    cr_assert(f.can_zero);
    cr_assert_not(fcntl(f.fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
    blk_file_close(&f);
    cr_assert_eq(f.fd, -1);
    blk_file_close(&f);
}

Test(blk_file, finding_out_what_it_can_do_changes_no_size)
{
    struct stat st;

    make(3 * 512);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0);
    cr_assert_eq(fstat(f.fd, &st), 0);
    cr_assert_eq(st.st_size, 3 * 512);
    cr_assert_eq(st.st_blocks, 0);
    blk_file_close(&f);
}

Test(blk_file, is_remote_where_a_server_may_be_gone)
{
    cr_assert(blk_file_is_remote(0x6969), "NFS");
    cr_assert(blk_file_is_remote(0x65735546), "FUSE");
    cr_assert(blk_file_is_remote(0xfe534d42), "SMB2");
    cr_assert_not(blk_file_is_remote(0xef53), "ext4");
    cr_assert_not(blk_file_is_remote(0x01021994), "tmpfs");
    make(4096);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0, "%s", e.text);
    cr_assert_not(f.remote);
    blk_file_close(&f);
}

Test(blk_file, an_odd_size)
{
    make(10 * 512 + 511);
    cr_assert_eq(blk_file_open(&f, path, read_only, &e), 0, "%s", e.text);
    cr_assert_eq(f.sectors, 10);
    cr_assert_eq(f.unseen, 511);
    cr_assert_eq(truncate(path, 11 * 512), 0);
    cr_assert_eq(blk_file_measure(&f, &e), 0);
    cr_assert_eq(f.sectors, 11);
    cr_assert_eq(f.unseen, 0);
    blk_file_close(&f);
}

Test(blk_file, an_odd_size_for_its_blocks)
{
    make(16 * 4096 + 3 * 512 + 7);
    forbid(SYS_statx, ENOSYS); /* so that the largest blocks are assumed */
    cr_assert_eq(blk_file_open(&f, path, direct, &e), 0, "%s", e.text);
    cr_assert_eq(f.sectors, 16 * 8);
    cr_assert_eq(f.unseen, 3 * 512 + 7);
    blk_file_close(&f);
}

Test(blk_file, a_read_only_one_is_not_given_back)
{
    make(10 * 512);
    cr_assert_eq(blk_file_open(&f, path, read_only, &e), 0);
    cr_assert_eq(f.sectors, 10);
    cr_assert_not(f.can_punch || f.can_zero);
    cr_assert_eq(ftruncate(f.fd, 0), -1);
    cr_assert_eq(truncate(path, 511), 0);
    cr_assert_eq(blk_file_measure(&f, &e), -EINVAL);
    cr_assert_eq(f.sectors, 10, "as before");
    blk_file_close(&f);
}

Test(blk_file, too_small)
{
    make(511);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), -EINVAL);
    cr_assert(says("511 bytes are less than one block"), "%s", e.text);
}

Test(blk_file, missing)
{
    make(0);
    unlink(path);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), -ENOENT);
    cr_assert(says("No such file"), "%s", e.text);
}

Test(blk_file, a_directory)
{
    make(0);
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), -EISDIR);
    cr_assert(says("a directory, not a disk image"), "%s", e.text);
    cr_assert_eq(blk_file_open(&f, path, read_only, &e), -EISDIR);
    cr_assert(says("a directory, not a disk image"), "%s", e.text);
}

Test(blk_file, a_fifo_does_not_block_the_opening)
{
    make(0);
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(blk_file_open(&f, path, read_only, &e), -EINVAL);
    cr_assert(says("neither a file nor a block device"), "%s", e.text);
}

Test(blk_file, not_permitted)
{
    make(512);
    cr_assert_eq(chmod(path, 0444), 0);
    if (geteuid() == 0) {
        cr_assert_eq(chown(path, 65534, 65534), 0); /* so that remove_it may remove it */
        cr_assert_eq(setresuid(65534, 65534, 65534), 0);
    }
    cr_assert_eq(blk_file_open(&f, path, writable, &e), -EACCES);
    cr_assert(says("cannot be opened for writing"), "%s", e.text);
    cr_assert_eq(blk_file_open(&f, path, read_only, &e), 0, "%s", e.text);
    blk_file_close(&f);
}

/* As for a killed process whose last I/O ends later. */
static void *close_later(void *of)
{
    const struct timespec while_it_waits = { .tv_nsec = 20000000 };

    nanosleep(&while_it_waits, NULL);
    blk_file_close(of);
    return NULL;
}

Test(blk_file, a_lock_about_to_go_is_waited_for)
{
    struct blk_file other;
    pthread_t closer;

    make(512);
    cr_assert_eq(blk_file_open(&other, path, writable, &e), 0);
    cr_assert_eq(pthread_create(&closer, NULL, close_later, &other), 0);
    cr_assert_eq(blk_file_open(&f, path, patient, &e), 0, "%s", e.text);
    pthread_join(closer, NULL);
    blk_file_close(&f);
}

Test(blk_file, one_writer_or_many_readers)
{
    struct blk_file other;

    make(512);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0);
    cr_assert_eq(blk_file_open(&other, path, writable, &e), -EAGAIN);
    cr_assert(says("in use"), "%s", e.text);
    cr_assert_eq(blk_file_open(&other, path, read_only, &e), -EAGAIN);
    cr_assert(says("another process writes to it"), "%s", e.text);
    blk_file_close(&f);
    cr_assert_eq(blk_file_open(&f, path, read_only, &e), 0);
    cr_assert_eq(blk_file_open(&other, path, read_only, &e), 0);
    blk_file_close(&other);
    cr_assert_eq(blk_file_open(&other, path, writable, &e), -EAGAIN);
    cr_assert(says("a writer needs it alone"), "%s", e.text);
    blk_file_close(&f);
}

Test(blk_file, the_lock_is_another_process_s_too)
{
    int status;

    make(512);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0);
    if (fork() == 0) {
        struct blk_file other;
        _exit(blk_file_open(&other, path, read_only, NULL) == -EAGAIN ? 0 : 1);
    }
    cr_assert_geq(wait(&status), 0);
    cr_assert_eq(status, 0);
    blk_file_close(&f);
}

Test(blk_file, a_file_that_cannot_be_locked)
{
    make(512);
    forbid(SYS_fcntl, ENOLCK);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), -ENOLCK);
    cr_assert(says("cannot be locked (a drive with lock=off need not be)"), "%s", e.text);
}

Test(blk_file, without_a_lock_nobody_is_kept_out)
{
    struct blk_file other;

    make(512);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0);
    cr_assert_eq(blk_file_open(&other, path, unlocked, &e), 0, "%s", e.text);
    blk_file_close(&f);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0, "nor does it keep others out");
    blk_file_close(&f);
    blk_file_close(&other);
}

Test(blk_file, without_a_lock_a_filesystem_needs_none)
{
    make(512);
    forbid_where(SYS_fcntl, 1, F_OFD_SETLK, ENOLCK);
    cr_assert_eq(blk_file_open(&f, path, unlocked, &e), 0, "%s", e.text);
    blk_file_close(&f);
}

Test(blk_file, measuring_again_finds_the_new_size)
{
    make(10 * 512);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0);
    cr_assert_eq(truncate(path, 20 * 512), 0);
    cr_assert_eq(blk_file_measure(&f, &e), 0);
    cr_assert_eq(f.sectors, 20);
    cr_assert_eq(truncate(path, 100), 0);
    cr_assert_eq(blk_file_measure(&f, &e), -EINVAL);
    cr_assert_eq(f.sectors, 20, "as before");
    blk_file_close(&f);
}

Test(blk_file, direct_files_say_what_they_want)
{
    make(16 * 4096);
    cr_assert_eq(blk_file_open(&f, path, direct, &e), 0, "%s", e.text);
    cr_assert_geq(f.block, 512);
    cr_assert_eq(f.block & (f.block - 1), 0);
    cr_assert_gt(f.mem_align, 1);
    cr_assert_eq(f.mem_align & (f.mem_align - 1), 0);
    cr_assert_eq(f.sectors, 16 * 8);
    cr_assert(fcntl(f.fd, F_GETFL) & O_DIRECT);
    blk_file_close(&f);
}

/* An older kernel. */
Test(blk_file, direct_files_that_do_not_say_get_the_largest_blocks)
{
    make(16 * 4096);
    forbid(SYS_statx, ENOSYS);
    cr_assert_eq(blk_file_open(&f, path, direct, &e), 0, "%s", e.text);
    cr_assert_eq(f.block, 4096);
    cr_assert_eq(f.mem_align, 4096);
    blk_file_close(&f);
}

Test(blk_file, a_filesystem_without_direct_io)
{
    int ret;

    strcpy(path, "/proc/self/status");
    ret = blk_file_open(&f, path, (struct blk_file_mode){ .read_only = true, .direct = true }, &e);
    cr_assert_eq(ret, -EOPNOTSUPP);
    cr_assert(says("no direct I/O"), "%s", e.text);
}

Test(blk_file, files_without_holes)
{
    make(512);
    forbid(SYS_fallocate, EOPNOTSUPP);
    cr_assert_eq(blk_file_open(&f, path, writable, &e), 0);
    cr_assert_not(f.can_punch);
    blk_file_close(&f);
}
