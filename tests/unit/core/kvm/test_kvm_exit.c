/* What is done about each return from KVM_RUN, with a struct kvm_run that the tests fill in. */
#include "core/kvm/kvm_internal.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/vm/bus.h"
#include "core/vm/device.h"

#define IO_DATA 4096u /* where KVM puts port data: a page after struct kvm_run's */

/* A device that notes each access; its n-th read gives bytes of n. */
struct probe {
    struct device device;
    unsigned reads, writes;
    uint64_t offset;
    unsigned size;
    uint8_t written[64];
    size_t written_len;
};

static void probe_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct probe *p = (struct probe *)d;

    memset(data, (int)++p->reads, size);
    p->offset = offset;
    p->size = size;
}

static void probe_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct probe *p = (struct probe *)d;

    p->writes++;
    p->offset = offset;
    p->size = size;
    memcpy(p->written + p->written_len, data, size);
    p->written_len += size;
}

static const struct device_ops probe_ops = { "probe", probe_read, probe_write };

static struct bus ports, mmio;
static struct probe port_probe, mmio_probe;
static const struct accel_config config = { .ports = &ports, .mmio = &mmio, .vcpu_count = 1 };
static union {
    struct kvm_run run;
    uint8_t room[2 * 4096];
} u;
static struct err e;
static enum vcpu_exit why;

static void setup(void)
{
    memset(&u, 0, sizeof(u));
    device_init(&port_probe.device, &probe_ops);
    device_init(&mmio_probe.device, &probe_ops);
    bus_init(&ports, "port");
    bus_init(&mmio, "mmio");
    cr_assert_eq(bus_add(&ports, 0x100, 0x10, &port_probe.device, &e), 0);
    cr_assert_eq(bus_add(&mmio, 0xc0001000, 0x1000, &mmio_probe.device, &e), 0);
    e.text[0] = 0;
}

static void teardown(void)
{
    device_finish(&port_probe.device);
    device_finish(&mmio_probe.device);
}

TestSuite(kvm_exit, .init = setup, .fini = teardown);

static bool serve(uint32_t reason)
{
    u.run.exit_reason = reason;
    return kvm_exit_serve(&config, &u.run, &why, &e);
}

static bool serve_port(uint8_t direction, uint8_t size, uint32_t count, uint16_t port)
{
    u.run.io.direction = direction;
    u.run.io.size = size;
    u.run.io.count = count;
    u.run.io.port = port;
    u.run.io.data_offset = IO_DATA;
    return serve(KVM_EXIT_IO);
}

static bool serve_mmio(uint8_t is_write, uint32_t len, uint64_t addr)
{
    u.run.mmio.is_write = is_write;
    u.run.mmio.len = len;
    u.run.mmio.phys_addr = addr;
    return serve(KVM_EXIT_MMIO);
}

Test(kvm_exit, port_writes_of_every_size)
{
    for (uint8_t size = 1; size <= 4; size *= 2) {
        memcpy(u.room + IO_DATA, "abcd", 4);
        port_probe.written_len = 0;
        cr_assert(serve_port(KVM_EXIT_IO_OUT, size, 1, 0x104));
        cr_assert_eq(port_probe.size, size);
        cr_assert_eq(port_probe.offset, 4);
        cr_assert_arr_eq(port_probe.written, "abcd", size);
    }
    cr_assert_eq(port_probe.writes, 3);
}

Test(kvm_exit, a_string_write_is_one_access_an_element)
{
    memcpy(u.room + IO_DATA, "01234567", 8);
    cr_assert(serve_port(KVM_EXIT_IO_OUT, 2, 4, 0x100));
    cr_assert_eq(port_probe.writes, 4);
    cr_assert_eq(port_probe.written_len, 8);
    cr_assert_arr_eq(port_probe.written, "01234567", 8);
}

Test(kvm_exit, a_string_read_fills_each_element)
{
    cr_assert(serve_port(KVM_EXIT_IO_IN, 1, 3, 0x100));
    cr_assert_arr_eq(u.room + IO_DATA, "\1\2\3\0", 4);
}

Test(kvm_exit, an_unclaimed_port_reads_as_ones)
{
    cr_assert(serve_port(KVM_EXIT_IO_IN, 4, 1, 0x200));
    cr_assert_arr_eq(u.room + IO_DATA, "\xff\xff\xff\xff\0", 5);
    cr_assert(serve_port(KVM_EXIT_IO_OUT, 4, 1, 0x200));
    cr_assert_eq(port_probe.reads + port_probe.writes, 0);
}

Test(kvm_exit, mmio_of_every_size)
{
    for (uint32_t len = 1; len <= 8; len *= 2) {
        cr_assert(serve_mmio(0, len, 0xc0001010));
        cr_assert_eq(mmio_probe.size, len);
        cr_assert_eq(u.run.mmio.data[len - 1], mmio_probe.reads);
        memcpy(u.run.mmio.data, "abcdefgh", 8);
        mmio_probe.written_len = 0;
        cr_assert(serve_mmio(1, len, 0xc0001020));
        cr_assert_eq(mmio_probe.offset, 0x20);
        cr_assert_arr_eq(mmio_probe.written, "abcdefgh", len);
    }
}

Test(kvm_exit, the_parts_of_a_split_access_go_to_no_device)
{
    cr_assert(serve_mmio(0, 3, 0xc0001000));
    cr_assert_arr_eq(u.run.mmio.data, "\xff\xff\xff", 3);
    cr_assert(serve_mmio(1, 5, 0xc0001000));
    cr_assert_eq(mmio_probe.reads + mmio_probe.writes, 0);
}

Test(kvm_exit, unclaimed_mmio)
{
    cr_assert(serve_mmio(0, 8, 0xd0000000));
    cr_assert_arr_eq(u.run.mmio.data, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    cr_assert(serve_mmio(1, 8, 0xd0000000));
}

Test(kvm_exit, halting_goes_on)
{
    cr_assert(serve(KVM_EXIT_HLT));
}

Test(kvm_exit, an_interrupted_run_is_a_kick)
{
    cr_assert_not(serve(KVM_EXIT_INTR));
    cr_assert_eq(why, VCPU_KICKED);
    cr_assert_str_empty(e.text);
}

Test(kvm_exit, shutdown_is_a_triple_fault_without_a_sentence)
{
    cr_assert_not(serve(KVM_EXIT_SHUTDOWN));
    cr_assert_eq(why, VCPU_TRIPLE_FAULT);
    cr_assert_str_empty(e.text);
}

Test(kvm_exit, a_system_event_ends_the_guest)
{
    u.run.system_event.type = KVM_SYSTEM_EVENT_CRASH;
    cr_assert_not(serve(KVM_EXIT_SYSTEM_EVENT));
    cr_assert_eq(why, VCPU_TRIPLE_FAULT);
    cr_assert(strstr(e.text, "system event 3"), "%s", e.text);
}

static void fails_with(uint32_t reason, const char *words)
{
    cr_assert_not(serve(reason));
    cr_assert_eq(why, VCPU_FAILED);
    cr_assert(strstr(e.text, words), "%s", e.text);
}

Test(kvm_exit, an_instruction_kvm_cannot_emulate_is_shown)
{
    u.run.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
    u.run.emulation_failure.ndata = 3;
    u.run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    u.run.emulation_failure.insn_size = 3;
    memcpy(u.run.emulation_failure.insn_bytes, "\x0f\xc7\x08", 3);
    fails_with(KVM_EXIT_INTERNAL_ERROR, "bytes 0f c7 08)");
}

Test(kvm_exit, more_instruction_bytes_than_fit_are_not_believed)
{
    u.run.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
    u.run.emulation_failure.ndata = 3;
    u.run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    u.run.emulation_failure.insn_size = 200;
    fails_with(KVM_EXIT_INTERNAL_ERROR, "00 00)");
}

Test(kvm_exit, an_emulation_failure_without_bytes)
{
    u.run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
    fails_with(KVM_EXIT_INTERNAL_ERROR, "bytes unknown");
}

Test(kvm_exit, other_internal_errors)
{
    u.run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
    u.run.internal.ndata = 1;
    u.run.internal.data[0] = 0x80000b0e;
    fails_with(KVM_EXIT_INTERNAL_ERROR, "internal error 3, first datum 0x80000b0e");
    cr_assert(strstr(e.text, "dmesg"));
}

Test(kvm_exit, a_refused_entry)
{
    u.run.fail_entry.hardware_entry_failure_reason = 0x80000021;
    fails_with(KVM_EXIT_FAIL_ENTRY, "0x80000021");
}

Test(kvm_exit, reasons_nobody_knows)
{
    u.run.hw.hardware_exit_reason = 0x77;
    fails_with(KVM_EXIT_UNKNOWN, "0x77");
    fails_with(KVM_EXIT_S390_SIEIC, "reason 13");
}

Test(kvm_exit, failed_runs_say_what_to_do)
{
    kvm_exit_failed(EFAULT, &e);
    cr_assert(strstr(e.text, "cut short") && strstr(e.text, "huge pages"), "%s", e.text);
    kvm_exit_failed(EHWPOISON, &e);
    cr_assert(strstr(e.text, "memory is broken"), "%s", e.text);
    kvm_exit_failed(ENOMEM, &e);
    cr_assert(strstr(e.text, "free memory"), "%s", e.text);
    kvm_exit_failed(EINVAL, &e);
    cr_assert(strstr(e.text, "Invalid argument"), "%s", e.text);
}
