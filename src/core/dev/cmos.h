#ifndef CORE_DEV_CMOS_H
#define CORE_DEV_CMOS_H
/*
 * The PC's clock, an MC146818 with its 128 bytes, behind an index port and a data port.
 *
 * It tells the host's time in UTC, moved by what the guest has set. No alarm and no interrupt: the
 * bits that ask for them stay clear. The bytes that are no registers are the guest's to keep.
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
    int64_t ahead_s;         /* of the host, as the guest has set it */
    uint8_t ram[CMOS_BYTES]; /* bytes as written; of the time, only while it is being set */
};

void cmos_init(struct cmos *c);
void cmos_finish(struct cmos *c);

/* Lock held, or no processor runs. Section "cmos". A failed load has changed nothing. */
void cmos_save(const struct cmos *c, struct state_writer *w);
int cmos_load(struct cmos *c, struct state_reader *r, struct err *e);

#endif
