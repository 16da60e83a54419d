/*
 * What KVM_RUN returned for: a device access to serve, or an end and its reason.
 *
 * This file uses struct kvm_run and the buses only. KVM completes an access, taking over the data
 * that was read here, only when KVM_RUN is entered again. So an access never ends a run: whoever
 * wants the processor to stop makes it stop on that next entry.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/kvm/kvm_internal.h"
#include "core/log/log.h"
#include "core/vm/bus.h"

static void kvm_exit_note_unclaimed(const char *what, uint64_t addr, unsigned size)
{
    if (log_wants(LOG_DEBUG))
        LOG_LIMITED(LOG_DEBUG, "kvm: nothing answers a %s of %u bytes at %#llx", what, size,
                    (unsigned long long)addr);
}

/* One exit carries up to a page of a string instruction's elements. */
static void kvm_exit_serve_port(const struct accel_config *config, struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;
    uint16_t port = run->io.port;
    bool claimed = true;

    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        if (run->io.direction == KVM_EXIT_IO_OUT)
            claimed &= bus_write(config->ports, port, data, size);
        else
            claimed &= bus_read(config->ports, port, data, size);
    }
    if (!claimed)
        kvm_exit_note_unclaimed(run->io.direction == KVM_EXIT_IO_OUT ? "port write" : "port read",
                                port, size);
}

/* KVM splits an access that crosses a page, which gives lengths like 3 and 5. No device has a
 * register that crosses a page, so such a part goes to none. */
static void kvm_exit_serve_mmio(const struct accel_config *config, struct kvm_run *run)
{
    uint64_t addr = run->mmio.phys_addr;
    unsigned len = run->mmio.len;
    bool whole = len == 1 || len == 2 || len == 4 || len == 8;
    bool claimed = false;

    if (run->mmio.is_write)
        claimed = whole && bus_write(config->mmio, addr, run->mmio.data, len);
    else if (whole)
        claimed = bus_read(config->mmio, addr, run->mmio.data, len);
    else
        memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
    if (!claimed)
        kvm_exit_note_unclaimed(run->mmio.is_write ? "write" : "read", addr, len);
}

static void kvm_exit_describe_emulation(const struct kvm_run *run, struct err *e)
{
    char bytes[3 * sizeof(run->emulation_failure.insn_bytes) + 1] = "";
    unsigned size = 0;

    if (run->emulation_failure.ndata >= 3 &&
        run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
        size = run->emulation_failure.insn_size;
    if (size > sizeof(run->emulation_failure.insn_bytes))
        size = sizeof(run->emulation_failure.insn_bytes);
    for (unsigned i = 0; i < size; i++)
        (void)snprintf(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x",
                       run->emulation_failure.insn_bytes[i]);
    err_set(e, EIO,
            "KVM cannot emulate the guest's instruction (internal error 1, bytes%s): run a guest "
            "without it or update the host's kernel",
            size ? bytes : " unknown");
}

static void kvm_exit_describe_internal(const struct kvm_run *run, struct err *e)
{
    if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
        kvm_exit_describe_emulation(run, e);
    else
        err_set(e, EIO,
                "KVM gave up (internal error %u, first datum %#llx): see the host's dmesg or "
                "update its kernel",
                run->internal.suberror,
                run->internal.ndata ? (unsigned long long)run->internal.data[0] : 0);
}

bool kvm_exit_serve(const struct accel_config *config, struct kvm_run *run, enum vcpu_exit *why,
                    struct err *e)
{
    *why = VCPU_FAILED;
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        kvm_exit_serve_port(config, run);
        return true;
    case KVM_EXIT_MMIO:
        kvm_exit_serve_mmio(config, run);
        return true;
    case KVM_EXIT_HLT: /* unexpected: KVM with its own interrupt controllers handles HLT itself */
        return true;
    case KVM_EXIT_INTR:
        *why = VCPU_KICKED;
        return false;
    case KVM_EXIT_SHUTDOWN:
        *why = VCPU_TRIPLE_FAULT;
        return false;
    case KVM_EXIT_SYSTEM_EVENT: /* the guest told KVM itself, not a device, that it is over */
        *why = VCPU_TRIPLE_FAULT;
        err_set(e, EIO, "the guest ended itself by KVM's system event %u", run->system_event.type);
        return false;
    case KVM_EXIT_INTERNAL_ERROR:
        kvm_exit_describe_internal(run, e);
        return false;
    case KVM_EXIT_FAIL_ENTRY:
        err_set(e, EIO,
                "the processor refuses the guest's state (hardware reason %#llx): see the host's "
                "dmesg",
                (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        return false;
    case KVM_EXIT_UNKNOWN:
        err_set(e, EIO,
                "the processor left the guest for a reason KVM does not know (%#llx): "
                "update the host's kernel",
                (unsigned long long)run->hw.hardware_exit_reason);
        return false;
    default:
        err_set(e, EIO, "KVM returned for reason %u, which mote never asks for: report it",
                run->exit_reason);
        return false;
    }
}

void kvm_exit_failed(int code, struct err *e)
{
    errno = code;
    if (code == EFAULT || code == EHWPOISON)
        err_sys(e, "the host has no page behind the guest's memory: a mapped kernel file was cut "
                   "short, huge pages ran out, or memory is broken; start the guest again");
    else if (code == ENOMEM)
        err_sys(e, "KVM has no memory to run the guest: free memory on the host");
    else
        err_sys(e, "KVM cannot run the vCPU (see the host's dmesg)");
}
