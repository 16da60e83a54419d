#ifndef API_MACHINE_CHOICE_H
#define API_MACHINE_CHOICE_H
/*
 * The choice of an accelerator where several would do: the first one that works.
 *
 * Loop thread.
 */
#include "api/config/config.h"
#include "core/vm/vm.h"

/* Calls vm_init with one accelerator after the other until it succeeds. All but the last must also
 * pass their probe (accel_vcpu_ops.probe). If the one taken is not the first, one warning says why.
 * If all fail, the sentence is about the last. config->accel and config->probe_mips are ignored. */
int choice_vm_init(struct vm *vm, const struct vm_config *config, const struct choice *choice,
                   struct loop *loop, struct timeline *timeline, struct err *e);

#endif
