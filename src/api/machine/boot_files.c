/* Checks that the kernel and the initrd are files that may be loaded. */
#include "api/machine/boot_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/config/config.h"
#include "api/config/number.h"
#include "core/base/err.h"

/* Refuses a file that is not regular or is empty. `what` is "kernel" or "initrd", for messages. */
static int file_size(const char *what, const char *path, uint64_t *size, struct err *e)
{
    struct stat st = { 0 };
    /* O_NONBLOCK, since opening a FIFO would otherwise wait for a writer. It is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int ret;

    if (fd < 0)
        return err_sys(e, "%s %s", what, path);
    ret = fstat(fd, &st) < 0 ? err_sys(e, "%s %s", what, path) : 0;
    (void)close(fd);
    if (ret < 0)
        return ret;
    if (!S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "%s %s: not a regular file", what, path);
    if (st.st_size == 0)
        return err_set(e, EINVAL, "%s %s: the file is empty", what, path);
    *size = (uint64_t)st.st_size;
    return 0;
}

int boot_files_check(const struct machine_config *c, struct err *e)
{
    uint64_t size = 0;
    int ret = file_size("kernel", c->kernel, &size, e);

    if (ret < 0 || !c->initrd)
        return ret;
    ret = file_size("initrd", c->initrd, &size, e);
    if (ret < 0)
        return ret;
    if (size >= c->mem_size)
        return err_set(e, EFBIG,
                       "initrd %s: its %" PRIu64
                       " bytes do not fit into memory of %s; give the guest more",
                       c->initrd, size, size_format(c->mem_size).text);
    return 0;
}
