#ifndef EMU_X86_MEM_COPY_H
#define EMU_X86_MEM_COPY_H
/*
 * Copies out of and into guest memory, which other processors read and write at the same time.
 *
 * copy_once reads each byte once and writes it once, so that it never undoes another processor's
 * store. It copies an operand of 1, 2, 4, 8 or 16 bytes with one access, so that the copy is atomic
 * wherever the architecture says so (SDM 3A, 9.1.1). memcpy promises neither: for small sizes it
 * may make two accesses that overlap.
 */
void copy_once(void *to, const void *from, unsigned size);

#endif
