#ifndef VIRTIO_MMIO_BLK_BLK_FILE_H
#define VIRTIO_MMIO_BLK_BLK_FILE_H
/*
 * The file of a disk: a raw image file or a block device of the host, open and locked.
 *
 * The lock is on the open file description (F_OFD_SETLK): one writer, or any number of readers. So
 * two monitors that lock one image cannot both write it. However a process ends, the kernel drops
 * its lock when it closes the descriptor, soon after the last I/O. A drive may do without the lock.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define BLK_SECTOR 512u

/* How to open it; constant. */
struct blk_file_mode {
    bool read_only;
    bool direct;   /* O_DIRECT: past the host's page cache */
    bool unlocked; /* takes no lock, for filesystems that have none */
    bool patient;  /* waits for a lock that a killed process still holds (linger.h) */
};

struct blk_file {
    int fd;
    struct blk_file_mode mode;
    dev_t dev; /* which file it is */
    ino_t ino;
    uint64_t sectors;
    uint32_t unseen;    /* bytes after the last whole block; they are not part of the disk */
    uint32_t block;     /* bytes; offsets and lengths are multiples of it */
    uint32_t mem_align; /* bytes; buffers' addresses are multiples of it */
    uint32_t unit;      /* bytes; the host deallocates multiples of it */
    bool remote;        /* a server or another process serves it and may be gone */
    /* What fallocate can do, as far as is known. Whoever finds that it cannot clears the flag. */
    bool can_punch; /* deallocate ranges, which then read 0 */
    bool can_zero;  /* make ranges read 0 and keep them allocated */
};

/* Any thread. A failure leaves nothing open. -EAGAIN: another process has the lock. */
int blk_file_open(struct blk_file *f, const char *path, struct blk_file_mode mode, struct err *e);

/* Whether a filesystem of this type (statfs) is served by another host or process. */
bool blk_file_is_remote(uint32_t type);

/* Measures the file again. A failure leaves the old size. */
int blk_file_measure(struct blk_file *f, struct err *e);

/* Accepts a file with fd -1, which is not open. */
void blk_file_close(struct blk_file *f);

#endif
