/* Makes the PC's devices, connects them to buses and interrupts, and loads what the guest boots. */
#include "core/x86/board/pc.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

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
#include "core/x86/tables/legacy.h"
#include "core/x86/tables/mptable.h"
#include "core/x86/tables/reset_flag.h"

enum pc_line {
    LINE_SERIAL,
    LINE_I8042,
    LINES,
};

static const unsigned line_gsi[] = {
    [LINE_SERIAL] = LAYOUT_GSI_SERIAL,
    [LINE_I8042] = LAYOUT_GSI_I8042,
};
static_assert(sizeof(line_gsi) / sizeof(line_gsi[0]) == LINES, "one interrupt for each line");

struct pc {
    struct board board; /* first member */
    struct vm *vm;
    struct irq_line lines[LINES];
    unsigned line_count; /* how many are initialised */
    struct serial serial;
    struct i8042 i8042;
    struct acpi_pm acpi_pm;
    struct cmos cmos;
    struct pvpanic pvpanic;
    struct boot_timer boot_timer;
    struct vcpu_regs bsp; /* where processor 0 starts */
    bool tells_panics;    /* its command line makes a panic show in the reset flag */
};

/* Where pvpanic has recorded a panic, it is the crash kernel that resets or powers off. */
enum power_end pc_judge(const struct board *b, enum power_end why)
{
    const struct pc *pc = (const struct pc *)b;

    why = reset_flag_judge(&pc->vm->mem, why, pc->tells_panics);
    if (pvpanic_seen(&pc->pvpanic) && (why == POWER_RESET || why == POWER_OFF))
        return POWER_PANIC;
    return why;
}

static int pc_lines_init(struct pc *pc, struct err *e)
{
    struct accel *a = pc->vm->accel;

    for (; pc->line_count < LINES; pc->line_count++) {
        unsigned i = pc->line_count;
        int ret = a->ops->irq_init(a, &pc->lines[i], line_gsi[i], e);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static void pc_lines_finish(struct pc *pc)
{
    struct accel *a = pc->vm->accel;

    while (pc->line_count > 0)
        a->ops->irq_finish(a, &pc->lines[--pc->line_count]);
}

static void pc_devices_init(struct pc *pc, struct serial_sink *console)
{
    struct power *power = &pc->vm->power;

    serial_init(&pc->serial, &pc->lines[LINE_SERIAL], console);
    i8042_init(&pc->i8042, &pc->lines[LINE_I8042], power);
    acpi_pm_init(&pc->acpi_pm, power);
    cmos_init(&pc->cmos);
    pvpanic_init(&pc->pvpanic, power);
    boot_timer_init(&pc->boot_timer, pc->vm->timeline);
}

static void pc_devices_finish(struct pc *pc)
{
    boot_timer_finish(&pc->boot_timer);
    cmos_finish(&pc->cmos);
    pvpanic_finish(&pc->pvpanic);
    acpi_pm_finish(&pc->acpi_pm);
    i8042_finish(&pc->i8042);
    serial_finish(&pc->serial);
}

static int pc_devices_connect(struct pc *pc, struct err *e)
{
    struct bus *ports = &pc->vm->ports, *mmio = &pc->vm->mmio;
    const struct {
        struct bus *bus;
        uint64_t base, len;
        struct device *device;
    } windows[] = {
        { ports, LAYOUT_SERIAL, LAYOUT_SERIAL_LEN, &pc->serial.device },
        { ports, LAYOUT_I8042_DATA, I8042_LEN, &pc->i8042.device },
        { ports, LAYOUT_CMOS, CMOS_PORTS, &pc->cmos.device },
        { ports, LAYOUT_PVPANIC, PVPANIC_LEN, &pc->pvpanic.device },
        { ports, LAYOUT_ACPI_PM, LAYOUT_ACPI_PM_LEN, &pc->acpi_pm.device },
        { mmio, LAYOUT_BOOT_TIMER, BOOT_TIMER_LEN, &pc->boot_timer.device },
    };

    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        int ret = bus_add(windows[i].bus, windows[i].base, windows[i].len, windows[i].device, e);
        if (ret < 0)
            return ret;
    }
    return 0;
}

int pc_create(struct vm *vm, struct serial_sink *console, struct board **out, struct err *e)
{
    struct pc *pc = calloc(1, sizeof(*pc));
    int ret;

    if (!pc)
        return err_set(e, ENOMEM, "no memory for the machine's devices");
    pc->vm = vm;
    pc->board = (struct board){ .console = &pc->serial, .start = &pc->bsp };
    pc_devices_init(pc, console);
    ret = pc_lines_init(pc, e);
    if (ret == 0)
        ret = pc_devices_connect(pc, e);
    if (ret < 0) {
        pc_destroy(&pc->board);
        return ret;
    }
    *out = &pc->board;
    return 0;
}

void pc_destroy(struct board *b)
{
    struct pc *pc = (struct pc *)b;

    pc_devices_finish(pc);
    pc_lines_finish(pc);
    free(pc);
}

/* Loads the kernel, the initrd and the command line, and sets the reset flag. */
static int pc_load_kernel(struct pc *pc, const struct guest_boot *boot, struct err *e)
{
    struct boot_stats stats;
    int ret = reset_flag_write(&pc->vm->mem, e);

    pc->tells_panics = reset_flag_tells_panics(boot->cmdline);
    if (ret == 0)
        ret = boot_load(boot, &pc->vm->mem, &pc->bsp, &stats, e);
    if (ret < 0)
        return ret;
    log_info("kernel: %s, %llu bytes mapped, %llu copied, %llu inflated, %llu moved", stats.format,
             (unsigned long long)stats.mapped, (unsigned long long)stats.copied,
             (unsigned long long)stats.inflated, (unsigned long long)stats.moved);
    return 0;
}

/* What announces the machine: ACPI, and the MPTable for guests without it. */
static int pc_load_tables(struct pc *pc, const struct guest_boot *boot, struct err *e)
{
    struct acpi_virtio windows[LAYOUT_VIRTIO_MAX];
    const struct acpi_config acpi = { .vcpu_count = pc->vm->vcpus.count,
                                      .virtio = windows,
                                      .virtio_count = boot->virtio_count,
                                      .reduced = !legacy_is_needed(boot->cmdline) };
    int ret;

    assert(boot->virtio_count <= LAYOUT_VIRTIO_MAX);
    for (unsigned n = 0; n < boot->virtio_count; n++)
        windows[n] = (struct acpi_virtio){ .gpa = LAYOUT_VIRTIO + n * LAYOUT_VIRTIO_SIZE,
                                           .size = LAYOUT_VIRTIO_SIZE,
                                           .gsi = LAYOUT_GSI_VIRTIO + n };
    ret = acpi_write(&pc->vm->mem, &acpi, e);
    return ret < 0 ? ret : mptable_write(&pc->vm->mem, acpi.vcpu_count, e);
}

int pc_load(struct board *b, const struct guest_boot *boot, struct err *e)
{
    struct pc *pc = (struct pc *)b;
    int ret = pc_load_kernel(pc, boot, e);

    return ret < 0 ? ret : pc_load_tables(pc, boot, e);
}
