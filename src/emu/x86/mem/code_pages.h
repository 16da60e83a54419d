#ifndef EMU_X86_MEM_CODE_PAGES_H
#define EMU_X86_MEM_CODE_PAGES_H
/*
 * Which pages of guest RAM hold code that some processor has decoded, machine-wide; how stores to
 * them are noticed.
 *
 * Each page has a count of the processors that hold blocks on it. Before a processor decodes from a
 * page it takes a hold: every processor gives up its write translations and the call returns when
 * all have, so that no store goes unseen afterwards. A store to a held page takes the slow door and
 * ends in code_page_written. When the last hold goes, stores are fast again.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct cpu;
struct emu;
struct err;

int code_pages_init(struct emu *m, struct err *e);
void code_pages_finish(struct emu *m);

/* Any vCPU's thread. False for what is not RAM. */
bool code_page_held(const struct emu *m, gpa_t gpa);

/* That vCPU's thread, between instructions: before its first block on the page, and after its last
 * is gone. */
void code_page_hold(struct cpu *c, gpa_t gpa);
void code_page_release(struct cpu *c, gpa_t gpa);

/* That vCPU's thread, after a store: its own blocks under it go at once, the other processors are
 * asked to drop theirs. */
void code_page_written(struct cpu *c, gpa_t gpa, uint64_t len);

/* Any other thread, after it wrote to RAM: all processors are asked to drop their blocks under it.
 */
void code_pages_written(struct emu *m, gpa_t gpa, uint64_t len);

/* That vCPU's thread, between instructions, when it sees CPU_REQ_CODE: does what others asked for.
 */
void code_pages_attend(struct cpu *c);

/* That vCPU's thread, on its way into and out of guest code. Outside, nobody waits for it; into it,
 * it waits while another has the machine to itself (exclusive.h). */
void code_pages_enter(struct cpu *c);
void code_pages_exit(struct cpu *c);

/* That vCPU's thread, back from a device, for which it had gone out in the middle of an
 * instruction: a device may take a lock, and who holds that may wait for this processor's answer.
 */
void code_pages_return(struct cpu *c);

#endif
