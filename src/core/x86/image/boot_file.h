#ifndef CORE_X86_IMAGE_BOOT_FILE_H
#define CORE_X86_IMAGE_BOOT_FILE_H
/*
 * A file that the operator names to boot from: opened, checked and read.
 */
#include <stdint.h>

struct err;

struct boot_file {
    int fd;              /* -1: not open */
    uint64_t size;       /* never 0 */
    const uint8_t *data; /* NULL until mapped */
};

/* Opens a regular file or block device for reading; anything else is refused, and so is an empty
 * one. Here and below, the sentences do not name the file: the caller adds the name. */
int boot_file_open(struct boot_file *f, const char *path, struct err *e);

/* Also accepts a file that boot_file_open has refused. */
void boot_file_close(struct boot_file *f);

/* Maps the whole file at f->data until boot_file_close; until then it must keep its length. */
int boot_file_map(struct boot_file *f, struct err *e);

/* Reads exactly len bytes. -EIO if the file ends before that. */
int boot_file_read(const struct boot_file *f, uint64_t offset, void *to, uint64_t len,
                   struct err *e);

#endif
