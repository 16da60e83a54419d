#ifndef EMU_X86_DECODE_VENDOR_H
#define EMU_X86_DECODE_VENDOR_H
/*
 * Where the vendors' processors differ: vendor.def, a row a difference.
 *
 * What holds is decided by the vendor and family that the guest's CPUID shows. The vendor shown is
 * the host's, so that a third kind of difference needs no row: what the host's own units answer,
 * since they execute the guest's data processing. Flags and results that the manuals leave
 * undefined (BSF and BSR of 0, shifts by too much), the last bits of RCPPS and RSQRTPS, signalling
 * NaNs in FLD and FSTP, which accesses of an unaligned vector fault: there a guest finds
 * its host.
 *
 * A test may have the processors be another vendor's: MOTE_EMU_CPU in the environment is "intel",
 * "amd" or "hygon", or one of these and a family, "amd:0x19". The host's units answer as they do.
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

/* How processors behave that show this vendor, twelve letters, and this family. Those of vendors
 * not known here do as Intel's. */
const struct vendor *vendor_of(const char *name, unsigned family);

/* The same by what a table shows in leaves 0 and 1. */
const struct vendor *vendor_shown(struct cpuid_table *t);

/* Changes leaves 0 and 1 to what the switch's text says. -EINVAL: it says nothing known. */
int vendor_pretend(struct cpuid_table *t, const char *text, struct err *e);

#endif
