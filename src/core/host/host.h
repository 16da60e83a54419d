#ifndef CORE_HOST_HOST_H
#define CORE_HOST_HOST_H
/*
 * What mote runs on.
 *
 * This room is what the host's processor can do and C cannot say, and what it is. Each architecture
 * of hosts has a folder of its own in it. It must not know anything else of mote.
 *
 * Any thread, all of it.
 */
#include <stdbool.h>

/* The host's architecture as uname -m has it; KVM's guests have the same. */
extern const char host_arch[];

/* For a loop that waits without sleeping, between two reads of memory that another thread writes.
 * Lets the core's other hardware thread go first for some ten to a hundred cycles. */
void host_relax(void);

/* A feature of the host's processor that makes guests fast. A guest has it if the host does, both
 * under KVM and on the software CPU, which executes it on the host's own units. */
struct host_feature {
    const char *name;
    bool present;
};

/* The n-th feature, counted from 0; false if there are not so many. */
bool host_feature(unsigned n, struct host_feature *f);

/* How the operator gets a /dev/kvm that is missing: one sentence, static. */
const char *host_kvm_fix(void);

#endif
