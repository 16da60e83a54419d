#ifndef API_MACHINE_CHOICE_H
#define API_MACHINE_CHOICE_H
/*
 * The choice of an accelerator where several would do: the first one that works.
 *
 * Loop thread.
 */
#include "api/config/config.h"
#include "core/vm/vm.h"

/* Calls vm_init with one accelerator after the other until a machine is built. All but the last
 * must also pass their probe. Where the first is not the one that is taken, one warning says why.
 * Where all fail, the sentence is that of the last. config->accel is ignored. */
int choice_vm_init(struct vm *vm, const struct vm_config *config, const struct choice *choice,
                   struct loop *loop, struct timeline *timeline, struct err *e);

#endif
