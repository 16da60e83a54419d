/* The architecture with one instruction: its board and its accelerator. */
#include "lib/vm/toy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/container.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/dev/serial.h"
#include "core/vm/bus.h"
#include "core/vm/device.h"
#include "core/vm/irq.h"
#include "core/vm/power.h"
#include "core/vm/vm.h"

#define GAP_START (2 * MIB)
#define GAP_END   (4 * MIB)
#define SWITCH    GAP_START
#define UART      (GAP_START + PAGE_4K)
#define VIRTIO    (GAP_START + 2 * PAGE_4K)

struct vcpu_regs {
    gpa_t pc;
};

/* The board. */

struct toy_board {
    struct board board;
    struct vm *vm;
    struct irq_line line;
    struct serial serial;
    struct device power_switch;
    struct vcpu_regs start;
};

static void switch_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    (void)offset;
    for (unsigned i = 0; i < size; i++)
        ((uint8_t *)data)[i] = 0;
}

static void switch_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct toy_board *t = container_of(d, struct toy_board, power_switch);

    (void)offset;
    (void)data;
    (void)size;
    t->vm->power.end(&t->vm->power, POWER_OFF);
}

static const struct device_ops switch_ops = { "switch", switch_read, switch_write };

static void toy_board_destroy(struct board *b)
{
    struct toy_board *t = (struct toy_board *)b;

    device_finish(&t->power_switch);
    serial_finish(&t->serial);
    free(t);
}

static int toy_board_create(struct vm *vm, struct serial_sink *console, struct board **out,
                            struct err *e)
{
    struct toy_board *t = calloc(1, sizeof(*t));
    int ret;

    assert(t);
    t->vm = vm;
    t->board = (struct board){ .console = &t->serial, .start = &t->start };
    serial_init(&t->serial, &t->line, console);
    device_init(&t->power_switch, &switch_ops);
    ret = vm->accel->ops->irq_init(vm->accel, &t->line, 0, e);
    if (ret == 0)
        ret = bus_add(&vm->mmio, SWITCH, PAGE_4K, &t->power_switch, e);
    if (ret == 0)
        ret = bus_add(&vm->mmio, UART, 8, &t->serial.device, e);
    if (ret < 0) {
        toy_board_destroy(&t->board);
        return ret;
    }
    *out = &t->board;
    return 0;
}

static int toy_board_load(struct board *b, const struct guest_boot *boot, struct err *e)
{
    struct toy_board *t = (struct toy_board *)b;
    uint8_t program[TOY_KERNEL_MAX];
    int fd = open(boot->kernel, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, program, sizeof(program));

    if (fd >= 0)
        (void)close(fd);
    if (len < 0)
        return err_sys(e, "%s", boot->kernel);
    t->start.pc = TOY_ENTRY;
    return mem_write(&t->vm->mem, TOY_ENTRY, program, (uint64_t)len)
               ? 0
               : err_set(e, EFAULT, "there is no memory for the program");
}

static enum power_end toy_board_judge(const struct board *b, enum power_end why)
{
    (void)b;
    return why;
}

const struct guest_arch guest_toy = {
    .name = "toy",
    .mem_min = 64 * KIB,
    .mem_max = 1 * MIB,
    .mem_default = 64 * KIB,
    .cmdline_max = 1,
    .cmdline = "",
    .gap_start = GAP_START,
    .gap_end = GAP_END,
    .virtio = { .max = 0, .gpa = VIRTIO, .size = PAGE_4K, .gsi = 1 }, /* it has no driver */
    .board_create = toy_board_create,
    .board_destroy = toy_board_destroy,
    .board_load = toy_board_load,
    .board_judge = toy_board_judge,
};

/* The accelerator. */

struct toy {
    struct accel accel;
    struct accel_config config;
};

struct toy_vcpu {
    struct accel_vcpu vcpu;
    struct toy *toy;
    struct vcpu_regs regs;
    atomic_bool kicked;
};

static void toy_vcpu_destroy(struct accel_vcpu *v)
{
    free(v);
}

static int toy_regs_set(struct accel_vcpu *v, const struct vcpu_regs *regs, struct err *e)
{
    (void)e;
    ((struct toy_vcpu *)v)->regs = *regs;
    return 0;
}

static int toy_regs_get(struct accel_vcpu *v, struct vcpu_regs *regs, struct err *e)
{
    (void)e;
    *regs = ((struct toy_vcpu *)v)->regs;
    return 0;
}

/* Processors but the first have no program. */
static enum vcpu_exit toy_run(struct accel_vcpu *vcpu)
{
    struct toy_vcpu *v = (struct toy_vcpu *)vcpu;
    const uint8_t on = 1;
    uint8_t instruction;

    if (v->regs.pc != 0) {
        if (!mem_read(v->toy->config.mem, v->regs.pc, &instruction, 1) || instruction != 0)
            return VCPU_TRIPLE_FAULT;
        (void)bus_write(v->toy->config.mmio, SWITCH, &on, sizeof(on));
        v->regs.pc = 0;
    }
    while (!atomic_exchange(&v->kicked, false))
        (void)sched_yield();
    return VCPU_KICKED;
}

static void toy_kick(struct accel_vcpu *v)
{
    atomic_store(&((struct toy_vcpu *)v)->kicked, true);
}

static const struct accel_vcpu_ops toy_vcpu_ops = {
    .destroy = toy_vcpu_destroy,
    .regs_set = toy_regs_set,
    .regs_get = toy_regs_get,
    .run = toy_run,
    .kick = toy_kick,
};

static int toy_create(const struct accel_config *config, struct accel **out, struct err *e)
{
    struct toy *t = calloc(1, sizeof(*t));

    (void)e;
    assert(t);
    t->accel.ops = &toy_accel;
    t->config = *config;
    *out = &t->accel;
    return 0;
}

static void toy_destroy(struct accel *a)
{
    free(a);
}

static void line_ignored(struct irq_line *line)
{
    (void)line;
}

static int toy_irq_init(struct accel *a, struct irq_line *line, unsigned gsi, struct err *e)
{
    (void)e;
    *line = (struct irq_line){ .raise = line_ignored, .accel = a, .gsi = gsi, .fd = -1 };
    return 0;
}

static void toy_irq_finish(struct accel *a, struct irq_line *line)
{
    (void)a;
    (void)line;
}

static int toy_vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e)
{
    struct toy_vcpu *v = calloc(1, sizeof(*v));

    (void)e;
    assert(v);
    v->vcpu = (struct accel_vcpu){ .ops = &toy_vcpu_ops, .id = id };
    v->toy = (struct toy *)a;
    *out = &v->vcpu;
    return 0;
}

const struct accel_ops toy_accel = {
    .name = "toy",
    .guest = "toy",
    .create = toy_create,
    .destroy = toy_destroy,
    .irq_init = toy_irq_init,
    .irq_finish = toy_irq_finish,
    .vcpu_create = toy_vcpu_create,
};
