/*
 * A ring whose queues nobody uses: it only holds a file.
 *
 * A ring is made only on Linux 6.6 and newer: IORING_SETUP_NO_SQARRAY is set because older kernels
 * refuse it. On Debian's 6.1, in QEMU's emulation of SVM, the host hung in six of eight runs of a
 * test that makes one machine after another, and in no run without a keeper. The cause has not been
 * found.
 */
#include "core/kvm/kvm_keeper.h"

#include <liburing.h>
#include <unistd.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1u << 16)
#endif

int kvm_keeper_create(int vm_fd)
{
    struct io_uring_params params = { .flags = IORING_SETUP_NO_SQARRAY };
    int ring = io_uring_setup(1, &params); /* close-on-exec, as every ring */

    if (ring < 0)
        return -1;
    if (io_uring_register((unsigned)ring, IORING_REGISTER_FILES, &vm_fd, 1) < 0) {
        (void)close(ring);
        return -1;
    }
    return ring;
}
