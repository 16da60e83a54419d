/* Files to boot from. */
#include "core/x86/image/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"

#define READ_MAX (1ull << 30) /* bytes per read; Linux gives at most 2 GiB */

static int boot_file_judge(struct boot_file *f, struct err *e)
{
    struct stat st;
    off_t end;

    if (fstat(f->fd, &st) < 0)
        return err_sys(e, "cannot be examined");
    if (S_ISDIR(st.st_mode))
        return err_set(e, EISDIR, "is a directory");
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(e, EINVAL, "is neither a regular file nor a block device");
    end = lseek(f->fd, 0, SEEK_END); /* a block device has no st_size */
    if (end < 0)
        return err_sys(e, "has no length");
    if (end == 0)
        return err_set(e, ENODATA, "is empty");
    f->size = (uint64_t)end;
    return 0;
}

int boot_file_open(struct boot_file *f, const char *path, struct err *e)
{
    /* Non-blocking, so that opening a FIFO without a writer does not wait; it is refused then. */
    *f = (struct boot_file){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };
    if (f->fd < 0)
        return err_sys(e, "cannot be opened");
    return boot_file_judge(f, e);
}

void boot_file_close(struct boot_file *f)
{
    if (f->data)
        (void)munmap((void *)f->data, f->size);
    if (f->fd >= 0)
        (void)close(f->fd);
    *f = (struct boot_file){ .fd = -1 };
}

int boot_file_map(struct boot_file *f, struct err *e)
{
    void *at = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, f->fd, 0);

    if (at == MAP_FAILED)
        return err_sys(e, "cannot be mapped");
    f->data = at;
    return 0;
}

int boot_file_read(const struct boot_file *f, uint64_t offset, void *to, uint64_t len,
                   struct err *e)
{
    for (uint64_t done = 0; done < len;) {
        uint64_t part = len - done < READ_MAX ? len - done : READ_MAX;
        ssize_t n = pread(f->fd, (uint8_t *)to + done, part, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "cannot be read");
        if (n == 0)
            return err_set(e, EIO, "ended after %llu bytes while it was read",
                           (unsigned long long)(offset + done));
        done += (uint64_t)n;
    }
    return 0;
}
