#ifndef VIRTIO_MMIO_BLK_BLK_FILE_H
#define VIRTIO_MMIO_BLK_BLK_FILE_H
/*
 * What is behind a disk: a raw image file or a block device of the host, open and locked.
 *
 * The lock, which a drive may be without, is on the open file description (F_OFD_SETLK): whoever
 * writes is alone, any number may read together. It keeps two monitors that take it from one image,
 * and is gone with the descriptor however the process ends, soon after its last I/O.
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
    bool unlocked; /* for filesystems without locks */
    bool patient;  /* waits for the lock of a process that was just killed (linger.h) */
};

struct blk_file {
    int fd;
    struct blk_file_mode mode;
    dev_t dev; /* which file it is */
    ino_t ino;
    uint64_t sectors;
    uint32_t unseen;    /* bytes behind the last whole block, which is none of the disk */
    uint32_t block;     /* bytes; offsets and lengths are multiples of it */
    uint32_t mem_align; /* bytes; buffers' addresses are multiples of it */
    uint32_t unit;      /* bytes; the host gives back multiples of it */
    bool remote;        /* somebody else answers for it, who may be gone */
    /* As far as is known; whoever learns better clears them. */
    bool can_punch; /* fallocate: ranges are given back, and read 0 then */
    bool can_zero;  /* ... or read 0 and stay allocated */
};

/* Any thread. A failure leaves nothing open. -EAGAIN: somebody else has the lock. */
int blk_file_open(struct blk_file *f, const char *path, struct blk_file_mode mode, struct err *e);

/* Whether a filesystem of this type (statfs) is a server's, or another process's. */
bool blk_file_is_remote(uint32_t type);

/* Looks how large it is now; a failure leaves what was known. */
int blk_file_measure(struct blk_file *f, struct err *e);

/* Accepts one that never was open, with fd -1. */
void blk_file_close(struct blk_file *f);

#endif
