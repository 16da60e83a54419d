#ifndef API_MACHINE_CHOICE_H
#define API_MACHINE_CHOICE_H
/*
 * Which accelerator a machine runs on where several would do: the first that works.
 */
#include "api/config/config.h"
#include "core/vm/vm.h"

/* vm_init on the first of them that a machine can be built on; each but the last has to pass its
 * probe as well. One warning says what was found and what was chosen where it is not the first.
 * On failure the sentence is the last one's. `config` needs no accelerator. */
int choice_vm_init(struct vm *vm, const struct vm_config *config, const struct choice *choice,
                   struct loop *loop, struct timeline *timeline, struct err *e);

#endif
