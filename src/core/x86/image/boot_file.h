#ifndef CORE_X86_IMAGE_BOOT_FILE_H
#define CORE_X86_IMAGE_BOOT_FILE_H
/*
 * A file that the operator names to boot from: opened, judged and read.
 */
#include <stdint.h>

struct err;

struct boot_file {
    int fd;              /* -1: not open */
    uint64_t size;       /* never 0 */
    const uint8_t *data; /* NULL until mapped */
};

/* Opens a regular file or block device for reading; anything else, and an empty one, is refused.
 * The sentences leave the name to the caller. */
int boot_file_open(struct boot_file *f, const char *path, struct err *e);

/* Accepts what boot_file_open has refused. */
void boot_file_close(struct boot_file *f);

/* Makes all bytes readable at f->data until the file is closed. It must keep its length so long. */
int boot_file_map(struct boot_file *f, struct err *e);

/* Reads exactly len bytes. -EIO where the file ends earlier. */
int boot_file_read(const struct boot_file *f, uint64_t offset, void *to, uint64_t len,
                   struct err *e);

#endif
