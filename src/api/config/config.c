/* The machine that the operator asks for, and whether such a machine is possible. */
#include "api/config/config.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/config/number.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/vm/accel.h"
#include "core/vm/guest_arch.h"

static const char *const huge_words[] = {
    [MEM_HUGE_NONE] = "none",
    [MEM_HUGE_BOOT] = "boot",
    [MEM_HUGE_TRANSPARENT] = "transparent",
    [MEM_HUGE_2M] = "2M",
};

#define HUGE_WORDS (sizeof(huge_words) / sizeof(huge_words[0]))
static_assert(HUGE_WORDS == MEM_HUGE_2M + 1, "one word for each kind of huge pages");

void config_init(struct machine_config *c, const struct guest_arch *arch)
{
    *c = (struct machine_config){
        .arch = arch,
        .mem_size = arch->mem_default,
        .vcpu_count = 1,
        .huge = MEM_HUGE_BOOT,
    };
    device_config_init(&c->devices);
}

static int memory_check(const struct machine_config *c, struct err *e)
{
    struct size_text size = size_format(c->mem_size);
    struct size_text min = size_format(c->arch->mem_min);
    struct size_text max = size_format(c->arch->mem_max);

    if (c->mem_size < c->arch->mem_min)
        return err_set(e, EINVAL, "memory of %s is too little: a machine has %s to %s", size.text,
                       min.text, max.text);
    if (c->mem_size > c->arch->mem_max)
        return err_set(e, EINVAL, "memory of %s is too much: a machine has %s to %s", size.text,
                       min.text, max.text);
    if (c->mem_size % PAGE_4K != 0)
        return err_set(e, EINVAL, "memory of %s is not a whole number of 4K pages", size.text);
    if (c->huge == MEM_HUGE_2M && c->mem_size % PAGE_2M != 0)
        return err_set(e, EINVAL, "memory of %s is not a whole number of 2M huge pages", size.text);
    return 0;
}

int config_check(const struct machine_config *c, struct err *e)
{
    size_t len;
    int ret;

    if (!c->kernel)
        return err_set(e, EINVAL, "no kernel is given: a machine needs one to boot");
    if (c->kernel[0] == '\0')
        return err_set(e, EINVAL, "the path of the kernel is empty");
    if (c->initrd && c->initrd[0] == '\0')
        return err_set(e, EINVAL, "the path of the initrd is empty");
    ret = memory_check(c, e);
    if (ret < 0)
        return ret;
    if (c->vcpu_count < 1 || c->vcpu_count > VCPUS_MAX)
        return err_set(e, EINVAL, "%" PRIu64 " vCPUs: a machine has 1 to %d", c->vcpu_count,
                       VCPUS_MAX);
    ret = device_config_check(&c->devices, &c->arch->virtio, e);
    if (ret < 0)
        return ret;
    len = config_cmdline(c, NULL, 0);
    if (len >= c->arch->cmdline_max)
        return err_set(e, EINVAL, "the kernel command line has %zu bytes, at most %u fit", len,
                       c->arch->cmdline_max - 1);
    return 0;
}

int config_huge_parse(const char *word, enum mem_huge *huge, struct err *e)
{
    for (unsigned i = 0; i < HUGE_WORDS; i++) {
        if (strcasecmp(word, huge_words[i]) == 0) {
            *huge = (enum mem_huge)i;
            return 0;
        }
    }
    return err_set(e, EINVAL, "'%.40s' is not a kind of huge pages: none, boot, transparent or 2M",
                   word);
}

int config_accel(const struct machine_config *c, const struct accel_ops *const *accels,
                 struct choice *choice, struct err *e)
{
    const char *wanted = c->accel ? c->accel : "auto";
    bool all = strcmp(wanted, "auto") == 0;
    struct choice found = { 0 };
    char known[64] = "auto";
    size_t used = strlen(known);

    for (unsigned i = 0; accels[i]; i++) {
        if (!guest_arch_runs_on(c->arch, accels[i]))
            continue;
        assert(found.count < CHOICE_MAX);
        if (all || strcmp(wanted, accels[i]->name) == 0)
            found.accels[found.count++] = accels[i];
        if (used < sizeof(known))
            used += (size_t)snprintf(known + used, sizeof(known) - used, ", %s", accels[i]->name);
    }
    if (found.count > 0) {
        *choice = found;
        return 0;
    }
    if (all)
        return err_set(e, EINVAL, "this mote has no accelerator for %s guests", c->arch->name);
    return err_set(e, EINVAL, "'%.40s' is not an accelerator: choose from %s", wanted, known);
}

/* A text under construction. `len` goes on counting when there is no more room. */
struct line {
    char *to;
    size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void line_add(struct line *l, const char *fmt, ...)
{
    bool fits = l->len < l->size;
    va_list args;

    va_start(args, fmt);
    l->len +=
        (size_t)vsnprintf(fits ? l->to + l->len : NULL, fits ? l->size - l->len : 0, fmt, args);
    va_end(args);
}

static void words_add(struct line *l, const char *words)
{
    if (words[0] != '\0')
        line_add(l, "%s%s", l->len > 0 ? " " : "", words);
}

/* Whether one of the words begins with "root=". "croot=" is another option. */
static bool names_root(const char *words)
{
    const char *at = words;

    while ((at = strstr(at, "root=")) && at != words && at[-1] != ' ')
        at++;
    return at != NULL;
}

static void devices_announce(struct line *l, const struct guest_virtio *v, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        line_add(l, "%svirtio_mmio.device=%s@0x%" PRIx64 ":%u", l->len > 0 ? " " : "",
                 size_format(v->size).text, v->gpa + n * v->size, v->gsi + n);
}

/* The devices come first, since words after a "--" go to init and not to the kernel. */
size_t config_cmdline(const struct machine_config *c, char *to, size_t size)
{
    const char *more = c->append ? c->append : "";
    struct line l = { .to = to, .size = size };
    const struct device_config *d = &c->devices;

    if (size > 0)
        to[0] = '\0';
    if (c->virtio_cmdline)
        devices_announce(&l, &c->arch->virtio, device_config_count(d));
    words_add(&l, c->cmdline ? c->cmdline : c->arch->cmdline);
    if (!c->cmdline && d->drive_count > 0 && !names_root(more))
        words_add(&l, d->drives[device_config_root(d)].read_only ? "root=/dev/vda ro"
                                                                 : "root=/dev/vda rw");
    words_add(&l, more);
    return l.len;
}
