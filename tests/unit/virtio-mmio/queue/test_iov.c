/* Vectors: copies across every cut, and cutting. */
#include "virtio-mmio/queue/iov.h"

#include <criterion/criterion.h>
#include <string.h>

static const char text[] = "abcdefghij";
static char bytes[16];

/* The text in pieces of 3, 0, 1, 6. */
static unsigned vector(struct iovec *iov)
{
    memcpy(bytes, text, 10);
    iov[0] = (struct iovec){ bytes, 3 };
    iov[1] = (struct iovec){ bytes, 0 };
    iov[2] = (struct iovec){ bytes + 3, 1 };
    iov[3] = (struct iovec){ bytes + 4, 6 };
    return 4;
}

Test(iov, reads_from_anywhere)
{
    struct iovec iov[4];
    unsigned count = vector(iov);

    for (size_t offset = 0; offset <= 12; offset++) {
        for (size_t len = 0; len <= 12; len++) {
            char to[16] = "";
            size_t there = offset < 10 ? 10 - offset : 0;
            size_t want = len < there ? len : there;
            cr_assert_eq(iov_read(iov, count, offset, to, len), want);
            cr_assert_eq(memcmp(to, text + (offset < 10 ? offset : 0), want), 0);
            cr_assert_eq(to[want], '\0', "no more than that");
        }
    }
}

Test(iov, writes_to_anywhere)
{
    struct iovec iov[4];
    unsigned count = vector(iov);

    cr_assert_eq(iov_write(iov, count, 2, "CDEF", 4), 4);
    cr_assert_eq(memcmp(bytes, "abCDEFghij", 10), 0);
    cr_assert_eq(iov_write(iov, count, 9, "JKL", 3), 1);
    cr_assert_eq(memcmp(bytes, "abCDEFghiJ\0", 11), 0);
    cr_assert_eq(iov_write(iov, count, 10, "x", 1), 0);
    cr_assert_eq(iov_write(iov, 0, 0, "x", 1), 0);
}

Test(iov, skips_from_the_front)
{
    for (size_t len = 0; len <= 12; len++) {
        struct iovec iov[4];
        unsigned count = vector(iov);
        char to[16];
        struct iovec *left = iov_skip(iov, &count, len);
        size_t there = len < 10 ? 10 - len : 0;
        cr_assert_eq(iov_read(left, count, 0, to, sizeof(to)), there);
        cr_assert_eq(memcmp(to, text + 10 - there, there), 0);
        cr_assert_eq(count == 0, there == 0);
    }
}

Test(iov, cuts_at_the_end)
{
    for (size_t len = 0; len <= 12; len++) {
        struct iovec iov[4];
        unsigned count = iov_cut(iov, vector(iov), len);
        size_t there = len < 10 ? len : 10;
        char to[16];
        cr_assert_eq(iov_read(iov, count, 0, to, sizeof(to)), there);
        cr_assert_eq(memcmp(to, text, there), 0);
        cr_assert_eq(count == 0, len == 0);
    }
}
