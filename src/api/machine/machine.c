/*
 * A machine with its devices, of any architecture.
 *
 *   built       memory, accelerator and processors; the board's devices; the virtio devices; then
 *               kernel, initrd, command line and tables are put into memory
 *   taken down  once no processor runs: the virtio devices, the board, the rest (core/vm/vm.h)
 */
#include "api/machine/machine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "api/config/config.h"
#include "api/machine/choice.h"
#include "api/machine/devices.h"
#include "core/base/err.h"
#include "core/vm/guest_arch.h"
#include "core/vm/vm.h"

#define CMDLINE_MAX 4096u /* no architecture takes a longer one */

struct machine {
    struct vm vm; /* first member, so that machine_ended finds the machine */
    struct machine_owner *owner;
    struct devices *devices; /* the virtio devices, which the owner made */
    struct board *board;
};

static void machine_ended(struct vm *vm)
{
    struct machine *m = (struct machine *)vm;

    m->owner->ended(m->owner, vm->arch->board_judge(m->board, vm->ended));
}

static struct vm_config vm_config_of(const struct machine_config *config)
{
    return (struct vm_config){
        .arch = config->arch,
        .mem = { .size = config->mem_size,
                 .gap_start = config->arch->gap_start,
                 .gap_end = config->arch->gap_end,
                 .huge = config->huge },
        .vcpu_count = (unsigned)config->vcpu_count,
    };
}

static int machine_load(struct machine *m, const struct machine_config *config, struct err *e)
{
    char cmdline[CMDLINE_MAX];
    const struct guest_boot boot = {
        .kernel = config->kernel,
        .initrd = config->initrd,
        .cmdline = cmdline,
        .virtio_count = m->devices->count,
    };

    assert(config->arch->cmdline_max <= sizeof(cmdline));
    (void)config_cmdline(config, cmdline, sizeof(cmdline));
    return config->arch->board_load(m->board, &boot, e);
}

static int machine_build(struct machine *m, const struct machine_config *config,
                         const struct machine_host *host, struct err *e)
{
    int ret = config->arch->board_create(&m->vm, host->console, &m->board, e);

    if (ret == 0)
        ret = devices_plug(m->devices, &m->vm, host->metrics, e);
    if (ret == 0)
        ret = machine_load(m, config, e);
    return ret;
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
    ret = machine_build(m, config, host, e);
    if (ret < 0) {
        (void)machine_destroy(m); /* never waits for the host: no driver has run */
        return ret;
    }
    timeline_mark(host->timeline, TIMELINE_KERNEL);
    *out = m;
    return 0;
}

int machine_try(const struct guest_arch *arch, const struct accel_ops *accel, uint64_t *mips,
                struct err *e)
{
    const struct machine_config smallest = { .arch = arch,
                                             .mem_size = arch->mem_min,
                                             .vcpu_count = 1 };
    struct vm_config config = vm_config_of(&smallest);
    struct timeline timeline = { 0 };
    struct vm vm = { 0 };
    int ret;

    config.accel = accel;
    config.probe_mips = mips;
    /* Without a loop: a machine posts to it only to end, and this one never starts. */
    ret = vm_init(&vm, &config, NULL, &timeline, e);
    if (ret == 0)
        vm_finish(&vm);
    return ret;
}

int machine_start(struct machine *m, struct err *e)
{
    m->vm.on_end = machine_ended;
    return vm_start(&m->vm, m->board->start, e);
}

int machine_destroy(struct machine *m)
{
    int ret;

    if (!m)
        return 0;
    m->vm.on_end = NULL;
    vm_end(&m->vm, POWER_QUIT); /* from here on no processor reaches a device */
    ret = devices_unplug(m->devices);
    if (ret < 0)
        return ret; /* the kernel may still write into guest memory, so that has to stay */
    if (m->board)
        m->vm.arch->board_destroy(m->board);
    vm_finish(&m->vm);
    free(m);
    return 0;
}

struct serial *machine_serial(struct machine *m)
{
    return m->board->console;
}

struct power *machine_power(struct machine *m)
{
    return &m->vm.power;
}
