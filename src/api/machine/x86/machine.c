/*
 * An x86 machine with its devices: the only file that names them all, but for virtio's (devices.c).
 *
 *   built       memory, accelerator, processors; interrupt lines; devices on their buses;
 *               kernel, initrd, command line and tables in memory
 *   taken down  in reverse, once no processor runs (core/vm/vm.h)
 */
#include "api/machine/machine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "api/machine/devices.h"
#include "api/machine/model.h"
#include "core/base/err.h"
#include "core/dev/acpi_pm.h"
#include "core/dev/boot_timer.h"
#include "core/dev/cmos.h"
#include "core/dev/i8042.h"
#include "core/dev/pvpanic.h"
#include "core/dev/serial.h"
#include "core/log/log.h"
#include "core/vm/irq.h"
#include "core/vm/vm.h"
#include "core/x86/boot/boot.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "core/x86/tables/acpi.h"
#include "core/x86/tables/mptable.h"
#include "core/x86/tables/reset_flag.h"

enum machine_line {
    LINE_SERIAL,
    LINE_I8042,
    LINES,
};

static const unsigned line_gsi[] = {
    [LINE_SERIAL] = LAYOUT_GSI_SERIAL,
    [LINE_I8042] = LAYOUT_GSI_I8042,
};
static_assert(sizeof(line_gsi) / sizeof(line_gsi[0]) == LINES, "one interrupt for each line");

struct machine {
    struct vm vm; /* first member: on_end finds the machine */
    struct machine_owner *owner;
    struct devices *devices; /* virtio's; whoever made the machine made them */
    struct irq_line lines[LINES];
    unsigned line_count; /* of those initialised */
    struct serial serial;
    struct i8042 i8042;
    struct acpi_pm acpi_pm;
    struct cmos cmos;
    struct pvpanic pvpanic;
    struct boot_timer boot_timer;
    struct vcpu_regs bsp; /* where processor 0 starts */
    bool tells_panics;    /* by its reset flag; its command line says so */
};

/* A guest that was reset or powered off by its crash kernel panicked before. */
static enum power_end end_judge(const struct machine *m, enum power_end why)
{
    why = reset_flag_judge(&m->vm.mem, why, m->tells_panics);
    if (pvpanic_seen(&m->pvpanic) && (why == POWER_RESET || why == POWER_OFF))
        return POWER_PANIC;
    return why;
}

static void on_end(struct vm *vm)
{
    struct machine *m = (struct machine *)vm;

    m->owner->ended(m->owner, end_judge(m, vm->ended));
}

static int lines_init(struct machine *m, struct err *e)
{
    struct accel *a = m->vm.accel;

    for (; m->line_count < LINES; m->line_count++) {
        unsigned i = m->line_count;
        int ret = a->ops->irq_init(a, &m->lines[i], line_gsi[i], e);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static void lines_finish(struct machine *m)
{
    struct accel *a = m->vm.accel;

    while (m->line_count > 0)
        a->ops->irq_finish(a, &m->lines[--m->line_count]);
}

static void devices_init(struct machine *m, const struct machine_host *host)
{
    serial_init(&m->serial, &m->lines[LINE_SERIAL], host->console);
    i8042_init(&m->i8042, &m->lines[LINE_I8042], &m->vm.power);
    acpi_pm_init(&m->acpi_pm, &m->vm.power);
    cmos_init(&m->cmos);
    pvpanic_init(&m->pvpanic, &m->vm.power);
    boot_timer_init(&m->boot_timer, host->timeline);
}

static void devices_finish(struct machine *m)
{
    boot_timer_finish(&m->boot_timer);
    cmos_finish(&m->cmos);
    pvpanic_finish(&m->pvpanic);
    acpi_pm_finish(&m->acpi_pm);
    i8042_finish(&m->i8042);
    serial_finish(&m->serial);
}

static int devices_connect(struct machine *m, struct err *e)
{
    const struct {
        struct bus *bus;
        uint64_t base, len;
        struct device *device;
    } windows[] = {
        { &m->vm.ports, LAYOUT_SERIAL, LAYOUT_SERIAL_LEN, &m->serial.device },
        { &m->vm.ports, LAYOUT_I8042_DATA, I8042_LEN, &m->i8042.device },
        { &m->vm.ports, LAYOUT_CMOS, CMOS_PORTS, &m->cmos.device },
        { &m->vm.ports, LAYOUT_PVPANIC, PVPANIC_LEN, &m->pvpanic.device },
        { &m->vm.ports, LAYOUT_ACPI_PM, LAYOUT_ACPI_PM_LEN, &m->acpi_pm.device },
        { &m->vm.mmio, LAYOUT_BOOT_TIMER, BOOT_TIMER_LEN, &m->boot_timer.device },
    };

    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        int ret = bus_add(windows[i].bus, windows[i].base, windows[i].len, windows[i].device, e);
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* Virtio device n is where api/machine/devices.h plugs it. */
static void windows_fill(struct acpi_virtio windows[DEVICES_MAX])
{
    for (unsigned n = 0; n < DEVICES_MAX; n++)
        windows[n] = (struct acpi_virtio){ .gpa = LAYOUT_VIRTIO + n * LAYOUT_VIRTIO_SIZE,
                                           .size = LAYOUT_VIRTIO_SIZE,
                                           .gsi = LAYOUT_GSI_VIRTIO + n };
}

/* Everything that is in memory when the guest starts. */
static int memory_fill(struct machine *m, const struct machine_config *config, struct err *e)
{
    char cmdline[LAYOUT_CMDLINE_MAX];
    const struct boot_config boot = {
        .kernel_path = config->kernel,
        .initrd_path = config->initrd,
        .cmdline = cmdline,
    };
    struct acpi_virtio windows[DEVICES_MAX];
    const struct acpi_config acpi = { .vcpu_count = (unsigned)config->vcpu_count,
                                      .virtio = windows,
                                      .virtio_count = m->devices->count };
    struct boot_stats stats;
    int ret;

    (void)config_cmdline(config, cmdline, sizeof(cmdline));
    m->tells_panics = reset_flag_tells_panics(cmdline);
    ret = reset_flag_write(&m->vm.mem, e);
    if (ret == 0)
        ret = boot_load(&boot, &m->vm.mem, &m->bsp, &stats, e);
    if (ret < 0)
        return ret;
    log_info("kernel: %s, %llu bytes mapped, %llu copied, %llu inflated, %llu moved", stats.format,
             (unsigned long long)stats.mapped, (unsigned long long)stats.copied,
             (unsigned long long)stats.inflated, (unsigned long long)stats.moved);
    windows_fill(windows);
    ret = acpi_write(&m->vm.mem, &acpi, e);
    if (ret < 0)
        return ret;
    return mptable_write(&m->vm.mem, acpi.vcpu_count, e);
}

static int machine_build(struct machine *m, const struct machine_config *config,
                         struct metrics *metrics, struct err *e)
{
    int ret = lines_init(m, e);

    if (ret == 0)
        ret = devices_connect(m, e);
    if (ret == 0)
        ret = devices_plug(m->devices, &m->vm, metrics, e);
    if (ret == 0)
        ret = memory_fill(m, config, e);
    return ret;
}

static struct vm_config vm_config_of(const struct machine_config *config)
{
    return (struct vm_config){
        .mem = { .size = config->mem_size,
                 .gap_start = LAYOUT_GAP_START,
                 .gap_end = LAYOUT_GAP_END,
                 .huge = config->huge },
        .vcpu_count = (unsigned)config->vcpu_count,
    };
}

int machine_create(const struct machine_config *config, const struct machine_host *host,
                   struct machine **out, struct err *e)
{
    const struct vm_config vm = vm_config_of(config);
    struct machine *m = calloc(1, sizeof(*m));
    int ret;

    if (!m)
        return err_set(e, ENOMEM, "no memory for the machine");
    ret = choice_vm_init(&m->vm, &vm, &host->choice, host->loop, host->timeline, e);
    if (ret < 0) {
        free(m);
        return ret;
    }
    m->owner = host->owner;
    m->devices = host->devices;
    devices_init(m, host);
    ret = machine_build(m, config, host->metrics, e);
    if (ret < 0) {
        (void)machine_destroy(m); /* no driver was there: nothing is under way */
        return ret;
    }
    timeline_mark(host->timeline, TIMELINE_KERNEL);
    *out = m;
    return 0;
}

int machine_try(const struct accel_ops *accel, uint64_t *mips, struct err *e)
{
    const struct machine_config smallest = { .mem_size = machine_model.mem_min, .vcpu_count = 1 };
    struct vm_config config = vm_config_of(&smallest);
    struct timeline timeline = { 0 };
    struct vm vm = { 0 };
    int ret;

    config.accel = accel;
    config.probe_mips = mips;
    ret = vm_init(&vm, &config, NULL, &timeline, e); /* no loop: it never runs, so it never ends */
    if (ret == 0)
        vm_finish(&vm);
    return ret;
}

int machine_start(struct machine *m, struct err *e)
{
    m->vm.on_end = on_end;
    return vm_start(&m->vm, &m->bsp, e);
}

int machine_destroy(struct machine *m)
{
    int ret;

    if (!m)
        return 0;
    m->vm.on_end = NULL;
    vm_end(&m->vm, POWER_QUIT); /* where it still runs: no processor reaches a device any more */
    ret = devices_unplug(m->devices);
    if (ret < 0)
        return ret; /* the kernel may still write into guest memory: it goes with the process */
    devices_finish(m);
    lines_finish(m);
    vm_finish(&m->vm);
    free(m);
    return 0;
}

struct serial *machine_serial(struct machine *m)
{
    return &m->serial;
}

struct power *machine_power(struct machine *m)
{
    return &m->vm.power;
}
