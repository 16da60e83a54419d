#ifndef EMU_X86_DECODE_VENDOR_H
#define EMU_X86_DECODE_VENDOR_H
/*
 * Where processors of the vendors differ. vendor.def has a row for each difference.
 *
 * The vendor and the family that the guest's CPUID shows decide which behaviour holds. The vendor
 * shown is the host's, so data processing needs no rows: the host's own units execute it and behave
 * as their vendor does. That covers flags and results that the manuals leave undefined (BSF and BSR
 * of 0, shifts by too much), the last bits of RCPPS and RSQRTPS, and signalling NaNs in FLD and
 * FSTP.
 *
 * A test can choose another vendor: MOTE_EMU_CPU in the environment is "intel", "amd" or "hygon",
 * or one of these with a family, as in "amd:0x19". The host's units still behave as the host's.
 *
 * Pure.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpuid_table;
struct err;

#define VENDOR_SWITCH "MOTE_EMU_CPU"

struct vendor {
#define WAY(name, ...) bool name;
#include "emu/x86/decode/tables/vendor.def"
#undef WAY
};

/* The behaviour of processors that show this vendor (twelve letters) and this family. Unknown
 * vendors behave as Intel. */
const struct vendor *vendor_of(const char *name, unsigned family);

/* The same for the vendor and family that the table shows in leaves 0 and 1. */
const struct vendor *vendor_shown(struct cpuid_table *t);

/* Changes leaves 0 and 1, which must exist, as the switch's text says. -EINVAL if the text is not
 * understood; nothing has changed then. */
int vendor_pretend(struct cpuid_table *t, const char *text, struct err *e);

#endif
