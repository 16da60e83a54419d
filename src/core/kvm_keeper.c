/* A ring without a queue in use: all that it ever does is to hold a file. */
#include "core/kvm_keeper.h"

#include <liburing.h>
#include <unistd.h>

int kvm_keeper_create(int vm_fd)
{
    struct io_uring_params params = { 0 };
    int ring = io_uring_setup(1, &params); /* close-on-exec, as every ring */

    if (ring < 0)
        return -1;
    if (io_uring_register((unsigned)ring, IORING_REGISTER_FILES, &vm_fd, 1) < 0) {
        (void)close(ring);
        return -1;
    }
    return ring;
}
