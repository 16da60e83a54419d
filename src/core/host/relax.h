#ifndef CORE_HOST_RELAX_H
#define CORE_HOST_RELAX_H
/* Waiting awake. */

/* Any thread, between two looks at memory that another one writes: leaves the core's other thread
 * its share, and costs some ten to a hundred cycles. Each architecture brings its own. */
void cpu_relax(void);

#endif
