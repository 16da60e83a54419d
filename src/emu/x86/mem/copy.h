#ifndef EMU_X86_MEM_COPY_H
#define EMU_X86_MEM_COPY_H
/*
 * Copies out of and into guest memory, which other processors read and write meanwhile.
 *
 * Each byte is read once and written once, so that no store of another processor's that came in
 * between is undone, and an operand of 1, 2, 4, 8 or 16 bytes is one access, so that it is whole
 * wherever the architecture says so (SDM 3A, 9.1.1). memcpy promises neither: its small sizes may
 * be two accesses that overlap.
 */
void copy_once(void *to, const void *from, unsigned size);

#endif
