#ifndef CORE_HOST_HOST_H
#define CORE_HOST_HOST_H
/*
 * What mote runs on.
 *
 * This room is the host's processor: its architecture, its features, instructions that C has no
 * words for, and what the operator needs for KVM on it. Each host architecture has a folder of its
 * own. The room must not know anything else of mote.
 *
 * Any thread.
 */
#include <stdbool.h>

/* The host's architecture as uname -m has it; KVM's guests have the same. */
extern const char host_arch[];

/* For a loop that spins, between two reads of memory that another thread writes. Yields the core to
 * its other hardware thread for some ten to a hundred cycles. */
void host_relax(void);

/* A feature of the host's processor that makes guests fast. A guest has it if the host does, both
 * under KVM and on the software CPU, which executes it on the host's own units. */
struct host_feature {
    const char *name;
    bool present;
};

/* Feature number n, from 0. false: there is no such feature. */
bool host_feature(unsigned n, struct host_feature *f);

/* Tells the operator how to get a missing /dev/kvm. A static string. */
const char *host_kvm_fix(void);

#endif
