/* The probe's judgement, and its program on the software CPU, which is there on every host. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/kvm/x86/kvm_x86.h"
#include "core/vm/bus.h"
#include "core/vm/device.h"
#include "core/vm/mem.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "emu/emu.h"

#define ROUNDS 512u /* of the first pass */
#define DATA   (LAYOUT_ZERO_PAGE + 2048)

static struct mem mem;
static struct bus ports, mmio;
static struct err e;

/* A port that stops the processor which writes it. */
static struct stop {
    struct device device; /* first member: how write finds the rest */
    struct accel_vcpu *vcpu;
    unsigned writes;
} stop;

static void stop_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct stop *s = (struct stop *)d;

    (void)offset, (void)data, (void)size;
    s->writes++;
    s->vcpu->ops->kick(s->vcpu);
}

static void stop_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d, (void)offset;
    memset(data, 0, size);
}

static const struct device_ops stop_ops = { "stop", stop_read, stop_write };

static void memory_init(uint64_t size)
{
    const struct mem_config config = { size, LAYOUT_GAP_START, LAYOUT_GAP_END, MEM_HUGE_NONE, 0 };

    cr_assert_eq(mem_init(&mem, &config, &e), 0, "%s", e.text);
}

static uint64_t counted(void)
{
    uint64_t count = 0;

    cr_assert(mem_read(&mem, DATA, &count, sizeof(count)));
    return count;
}

Test(kvm_probe, program_counts_by_cmpxchg16b_and_reports_each_pass)
{
    const struct accel_config config = { &mem, &ports, &mmio, 1 };
    struct accel *accel;
    struct vcpu_regs regs;

    memory_init(1 << 20);
    bus_init(&ports, "port");
    bus_init(&mmio, "mmio");
    device_init(&stop.device, &stop_ops);
    cr_assert_eq(bus_add(&ports, KVM_PROBE_PORT, 1, &stop.device, &e), 0);
    cr_assert_eq(emu_accel.create(&config, &accel, &e), 0, "%s", e.text);
    cr_assert_eq(emu_accel.vcpu_create(accel, 0, &stop.vcpu, &e), 0, "%s", e.text);

    cr_assert(kvm_probe_load(&mem, &regs));
    cr_assert_eq(stop.vcpu->ops->regs_set(stop.vcpu, &regs, &e), 0, "%s", e.text);
    cr_assert_eq(stop.vcpu->ops->run(stop.vcpu), VCPU_KICKED);
    cr_assert_eq(stop.writes, 1);
    cr_assert_eq(counted(), ROUNDS);
    cr_assert_eq(stop.vcpu->ops->run(stop.vcpu), VCPU_KICKED);
    cr_assert_eq(stop.writes, 2);
    cr_assert_eq(counted(), ROUNDS + 4 * ROUNDS, "the second pass is four times as long");

    stop.vcpu->ops->destroy(stop.vcpu);
    emu_accel.destroy(accel);
    device_finish(&stop.device);
    mem_finish(&mem);
}

Test(kvm_probe, leaves_zeroes)
{
    static const uint8_t nothing[1 << 16];
    struct vcpu_regs regs;

    memory_init(1 << 20);
    cr_assert(kvm_probe_load(&mem, &regs));
    cr_assert_neq(memcmp(mem_at(&mem, 0, sizeof(nothing)), nothing, sizeof(nothing)), 0);
    kvm_probe_unload(&mem);
    cr_assert_eq(memcmp(mem_at(&mem, 0, sizeof(nothing)), nothing, sizeof(nothing)), 0);
    mem_finish(&mem);
}

Test(kvm_probe, needs_memory)
{
    struct vcpu_regs regs;

    memory_init(LAYOUT_PDPT);
    cr_assert_not(kvm_probe_load(&mem, &regs));
    kvm_probe_unload(&mem);
    mem_finish(&mem);
}

Test(kvm_probe, judges_the_speed)
{
    cr_assert_eq(kvm_probe_mips(4096, 0), 4096000, "too fast for the clock");
    cr_assert_eq(kvm_probe_mips(4096, 10000), 409, "hardware");
    cr_assert_eq(kvm_probe_mips(4000, 400000), 10);
    cr_assert_eq(kvm_probe_mips(4000, 401000), 9);
    cr_assert_eq(kvm_probe_judge(409, &e), 0);
    cr_assert_eq(kvm_probe_judge(10, &e), 0);
    cr_assert_eq(kvm_probe_judge(9, &e), -EOPNOTSUPP);
    cr_assert(strstr(e.text, "at 9 million instructions a second"), "%s", e.text);
    cr_assert_eq(kvm_probe_judge(0, &e), -EOPNOTSUPP);
    cr_assert(strstr(e.text, "this host interprets it"), "%s", e.text);
}
