#ifndef EMU_X86_MEM_CODE_PAGES_H
#define EMU_X86_MEM_CODE_PAGES_H
/*
 * Which pages of guest RAM hold code that some processor of the machine has decoded, and how stores
 * to them are noticed.
 *
 * Each page has a count of holds, one for each processor that has decoded code from it. A processor
 * takes its hold before it decodes. A page's first hold makes every processor drop its write
 * translations; code_page_hold returns when no processor can use an old one any more. From then on
 * a store to the page takes the slow path, which calls code_page_written. When the last hold is
 * released, stores are fast again.
 *
 * A processor is "in guest code" from code_pages_enter to code_pages_exit. It is outside while it
 * accesses a device on a bus (mmio.c). Others wait only for processors in guest code: one that
 * enters drops its old write translations before it uses any.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct cpu;
struct emu;
struct err;

int code_pages_init(struct emu *m, struct err *e);
void code_pages_finish(struct emu *m);

/* Any thread. False for what is not RAM. */
bool code_page_held(const struct emu *m, gpa_t gpa);

/* That vCPU's thread. A hold is taken between instructions, before the processor decodes its first
 * block on the page, and released, at any time, after it has dropped the last one. */
void code_page_hold(struct cpu *c, gpa_t gpa);
void code_page_release(struct cpu *c, gpa_t gpa);

/* That vCPU's thread, after a store to these bytes, which lie on one page: drops the processor's
 * own blocks that contain any of them at once, and asks the other processors to drop theirs. */
void code_page_written(struct cpu *c, gpa_t gpa, uint64_t len);

/* Any other thread, after it wrote these bytes: asks all processors to drop their blocks. */
void code_pages_written(struct emu *m, gpa_t gpa, uint64_t len);

/* That vCPU's thread, between instructions: enters guest code and does what others asked for with
 * CPU_REQ_CODE. A processor that sees this request while it is in guest code calls it too. Waits
 * while another processor has the memory to itself (exclusive.h). */
void code_pages_enter(struct cpu *c);
void code_pages_exit(struct cpu *c);

/* That vCPU's thread, inside an instruction: enters guest code again after code_pages_exit, for
 * instance after a device access. It drops write translations if asked to, but no blocks yet. */
void code_pages_return(struct cpu *c);

#endif
