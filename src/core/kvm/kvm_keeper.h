#ifndef CORE_KVM_KVM_KEEPER_H
#define CORE_KVM_KVM_KEEPER_H
/*
 * Lets the kernel take a virtual machine down while nobody waits for it.
 *
 * The thread that drops the last reference to a virtual machine waits in the kernel until its
 * interrupt controllers and timer are gone. That takes several RCU grace periods: 22 ms measured,
 * against 1 ms for building the machine. An io_uring holds a reference to each file in its table,
 * and the kernel takes a ring down in a worker of its own. So with a ring that holds the machine,
 * neither closing the machine nor the end of the process, even by SIGKILL, has to wait. The guest's
 * memory belongs to the process and is freed with it at once; what the worker frees is the
 * kernel's.
 */

/* Loop thread, while the machine is built. Returns the descriptor of a ring that holds vm_fd. The
 * caller closes it after the machine's own descriptors, or leaves that to the end of the process.
 * -1 where the host has no io_uring, forbids it, or is older than Linux 6.6: then closing vm_fd
 * waits. */
int kvm_keeper_create(int vm_fd);

#endif
