#ifndef CORE_HOST_RELAX_H
#define CORE_HOST_RELAX_H
/*
 * A pause for loops that wait without sleeping.
 *
 * This room is what the host's processor can do and C cannot say. Each architecture implements it
 * in a folder of its own. It must not know anything else of mote.
 */

/* Any thread, between two reads of memory that another thread writes. Lets the core's other
 * hardware thread go first for some ten to a hundred cycles. */
void cpu_relax(void);

#endif
