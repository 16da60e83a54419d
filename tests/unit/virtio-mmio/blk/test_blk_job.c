/* A disk's requests as operations: how they are cut, and how they go on. */
#include "virtio-mmio/blk/blk_job.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/units.h"

/* BOTH(name) { ... } is two tests, job_io_uring and job_epoll. */
#define BOTH(name)            \
    static void name(void);   \
    Test(job_io_uring, name)  \
    {                         \
        rig_open(LOOP_URING); \
        name();               \
        rig_close();          \
    }                         \
    Test(job_epoll, name)     \
    {                         \
        rig_open(LOOP_EPOLL); \
        name();               \
        rig_close();          \
    }                         \
    static void name(void)

#define SIZE (UINT64_C(40) << 20) /* of the file */

static struct blk_io io;
static struct blk_job job;
static char path[64];
static unsigned filled; /* calls */
static int status;      /* -1: not over */

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset % 251 + offset / MIB);
}

/* Between two operations of the job. */
static void job_filled(struct blk_job *j, size_t bytes)
{
    (void)j;
    cr_assert_leq(bytes, BLK_PIECE);
    filled++;
}

static void job_done(struct blk_job *j, int s)
{
    cr_assert_eq(j, &job);
    status = s;
    loop_stop(io.loop);
}

static void file_make(void)
{
    uint8_t *bytes = malloc(SIZE);
    int fd;

    for (uint64_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i);
    strcpy(path, "/tmp/test_blk_job.XXXXXX");
    fd = mkstemp(path);
    cr_assert_eq(write(fd, bytes, SIZE), (ssize_t)SIZE);
    close(fd);
    free(bytes);
}

static void rig_open(enum loop_backend backend)
{
    struct err e = { 0 };

    file_make();
    io = (struct blk_io){ .name = "disk", .done = job_done, .filled = job_filled };
    job = (struct blk_job){ .io = &io };
    filled = 0;
    status = -1;
    cr_assert_eq(loop_create(&io.loop, backend, &e), 0, "%s", e.text);
    cr_assert_eq(blk_file_open(&io.file, path, (struct blk_file_mode){ 0 }, &e), 0, "%s", e.text);
}

static void rig_close(void)
{
    blk_file_close(&io.file);
    loop_destroy(io.loop);
    unlink(path);
}

/* The largest operation that was seen under way, in bytes. */
static uint64_t largest;

static uint64_t op_bytes(const struct loop_op *op)
{
    uint64_t bytes = 0;

    if (job.request.action != BLK_READ && job.request.action != BLK_WRITE)
        return (uint64_t)op->len;
    for (int i = 0; i < op->count; i++)
        bytes += op->iov[i].iov_len;
    return bytes;
}

static void look(struct loop_post *post)
{
    uint64_t bytes = job.op.state ? op_bytes(&job.op) : 0;

    if (bytes > largest)
        largest = bytes;
    loop_post(io.loop, post);
}

/* Runs it; each turn of the loop looks at its operation. */
static void job_run(enum blk_action action, uint64_t offset, uint64_t len, unsigned count)
{
    struct loop_post post = { .call = look };

    largest = 0;
    job.request = (struct blk_request){
        .action = action, .offset = offset, .len = len, .data = job.iov, .count = count
    };
    blk_job_start(&job);
    blk_jobs_go(&io);
    loop_post(io.loop, &post);
    cr_assert_eq(loop_run(io.loop), 0);
}

static uint64_t first_other(const uint8_t *bytes, uint64_t len, uint64_t offset)
{
    uint64_t i = 0;

    while (i < len && bytes[i] == byte_at(offset + i))
        i++;
    return i;
}

BOTH(a_long_buffer_goes_in_pieces)
{
    const uint64_t len = 10 * MIB + BLK_SECTOR;
    uint8_t *to = calloc(1, len);

    job.iov[0] = (struct iovec){ to, len };
    job_run(BLK_READ, 3 * BLK_SECTOR, len, 1);
    cr_assert_eq(status, VIRTIO_BLK_S_OK);
    cr_assert_geq(filled, 3);
    cr_assert_eq(job.filled, len);
    cr_assert_leq(largest, BLK_PIECE);
    cr_assert_eq(first_other(to, len, 3 * BLK_SECTOR), len);
    free(to);
}

BOTH(many_buffers_go_in_pieces)
{
    static const uint64_t lens[] = { 3 * MIB, MIB, BLK_SECTOR, 4 * MIB, 9 * MIB, BLK_SECTOR };
    const unsigned count = sizeof(lens) / sizeof(lens[0]);
    uint64_t len = 0, at = 0;
    uint8_t *to = calloc(1, 20 * MIB);

    for (unsigned i = 0; i < count; len += lens[i], i++)
        job.iov[i] = (struct iovec){ to + len, lens[i] };
    job_run(BLK_READ, at, len, count);
    cr_assert_eq(status, VIRTIO_BLK_S_OK);
    cr_assert_geq(filled, 5);
    cr_assert_leq(largest, BLK_PIECE);
    cr_assert_eq(first_other(to, len, at), len);
    free(to);
}

BOTH(writes_go_in_pieces)
{
    const uint64_t len = 9 * MIB, offset = 5 * MIB;
    uint8_t *from = malloc(len), *is = malloc(SIZE);
    int fd = open(path, O_RDONLY);

    memset(from, 0xfe, len);
    job.iov[0] = (struct iovec){ from, len };
    io.through = true;
    job_run(BLK_WRITE, offset, len, 1);
    cr_assert_eq(status, VIRTIO_BLK_S_OK);
    cr_assert_leq(largest, BLK_PIECE);
    cr_assert_eq(read(fd, is, SIZE), (ssize_t)SIZE);
    cr_assert_eq(first_other(is, SIZE, 0), offset);
    cr_assert_eq(memcmp(is + offset, from, len), 0);
    cr_assert_eq(first_other(is + offset + len, SIZE - offset - len, offset + len),
                 SIZE - offset - len);
    close(fd);
    free(is);
    free(from);
}

/* The range begins in the middle of a block. Pieces end where blocks do, so all blocks go back but
 * the first and the last. */
BOTH(ranges_go_in_pieces)
{
    const uint64_t offset = BLK_SECTOR, len = SIZE - 2 * BLK_SECTOR;
    struct stat before, after;

    cr_assert_eq(stat(path, &before), 0);
    job_run(BLK_DISCARD, offset, len, 0);
    if (io.file.can_punch) {
        cr_assert_eq(status, VIRTIO_BLK_S_OK);
        cr_assert_leq(largest, BLK_PIECE_FREED);
        cr_assert_eq(stat(path, &after), 0);
        cr_assert_leq(after.st_blocks, before.st_blocks - (blkcnt_t)((SIZE - 3 * 4096) / 512));
    } else {
        cr_assert_eq(status, VIRTIO_BLK_S_UNSUPP);
    }
}

BOTH(zeros_are_written_in_pieces)
{
    const uint64_t len = 9 * MIB;
    uint8_t *is = malloc(SIZE);
    int fd = open(path, O_RDONLY);

    io.file.can_punch = io.file.can_zero = false;
    job_run(BLK_ZERO, MIB, len, 0);
    cr_assert_eq(status, VIRTIO_BLK_S_OK);
    cr_assert_eq(read(fd, is, SIZE), (ssize_t)SIZE);
    cr_assert_eq(first_other(is, SIZE, 0), MIB);
    for (uint64_t i = 0; i < len; i++)
        cr_assert_eq(is[MIB + i], 0);
    cr_assert_eq(is[MIB + len], byte_at(MIB + len));
    close(fd);
    free(is);
}

/* A reset has to wait only for the piece that is under way. */
static void stop_it(struct blk_job *j, size_t bytes)
{
    job_filled(j, bytes);
    io.stop = true;
}

BOTH(a_stopped_job_ends_with_its_piece)
{
    uint8_t *to = malloc(20 * MIB);

    io.filled = stop_it;
    job.iov[0] = (struct iovec){ to, 20 * MIB };
    job_run(BLK_READ, 0, 20 * MIB, 1);
    cr_assert_eq(status, VIRTIO_BLK_S_IOERR);
    cr_assert_eq(filled, 1);
    free(to);
}
