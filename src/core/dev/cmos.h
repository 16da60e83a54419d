#ifndef CORE_DEV_CMOS_H
#define CORE_DEV_CMOS_H
/*
 * The PC's real-time clock: an MC146818 with 128 bytes, behind an index port and a data port.
 *
 * It shows the host's time in UTC; when the guest sets the clock, the difference is kept and added.
 * There are no alarms and no interrupts: the bits that enable them stay clear. The bytes that are
 * not registers are plain memory for the guest.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/device.h"

struct err;
struct state_reader;
struct state_writer;

#define CMOS_PORTS   2u
#define CMOS_BYTES   128u
#define CMOS_CENTURY 0x32u /* the register that the FADT names */

struct cmos {
    struct device device;
    uint64_t (*now_ns)(void); /* the host's time since 1970 */
    uint8_t index;
    int64_t ahead_s; /* how far the guest's clock is ahead of the host's; may be negative */

    /* The stored bytes. Those of the time registers are used only while the clock is stopped. */
    uint8_t ram[CMOS_BYTES];
};

void cmos_init(struct cmos *c);
void cmos_finish(struct cmos *c);

/* With the device's lock held, or while no vCPU runs. The snapshot section is "cmos". A load that
 * fails changes nothing. */
void cmos_save(const struct cmos *c, struct state_writer *w);
int cmos_load(struct cmos *c, struct state_reader *r, struct err *e);

#endif
