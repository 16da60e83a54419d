/*
 * How fast the time stamp counter runs, for guests that measure by it: prints kHz.
 *
 * Method: the counter against CLOCK_MONOTONIC over a tenth of a second.
 */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"

#define SAMPLE_US 100000u

int main(void)
{
    uint64_t from_ns = clock_now_ns(), from = __builtin_ia32_rdtsc();

    (void)usleep(SAMPLE_US);
    (void)printf("%llu\n", (unsigned long long)((__builtin_ia32_rdtsc() - from) * 1000000 /
                                                (clock_now_ns() - from_ns)));
    return 0;
}
