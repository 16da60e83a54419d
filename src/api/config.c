/* What machine the operator asks for, and whether such a machine can be. */
#include "api/config.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/choice.h"
#include "api/model.h"
#include "api/number.h"
#include "core/accel.h"
#include "core/err.h"

#define PAGE_SIZE      4096u
#define HUGE_PAGE_SIZE (2u << 20)

static const char *const huge_words[] = {
    [MEM_HUGE_NONE] = "none",
    [MEM_HUGE_TRANSPARENT] = "transparent",
    [MEM_HUGE_2M] = "2M",
};

#define HUGE_WORDS (sizeof(huge_words) / sizeof(huge_words[0]))
static_assert(HUGE_WORDS == MEM_HUGE_2M + 1, "one word for each kind of huge pages");

void config_init(struct machine_config *c)
{
    *c = (struct machine_config){
        .mem_size = machine_model.mem_default,
        .vcpu_count = 1,
        .huge = MEM_HUGE_NONE,
    };
}

static int memory_check(const struct machine_config *c, struct err *e)
{
    struct size_text size = size_format(c->mem_size);
    struct size_text min = size_format(machine_model.mem_min);
    struct size_text max = size_format(machine_model.mem_max);

    if (c->mem_size < machine_model.mem_min)
        return err_set(e, EINVAL, "memory of %s is too little: a machine has %s to %s", size.text,
                       min.text, max.text);
    if (c->mem_size > machine_model.mem_max)
        return err_set(e, EINVAL, "memory of %s is too much: a machine has %s to %s", size.text,
                       min.text, max.text);
    if (c->mem_size % PAGE_SIZE != 0)
        return err_set(e, EINVAL, "memory of %s is odd: it comes in pages of 4K", size.text);
    if (c->huge == MEM_HUGE_2M && c->mem_size % HUGE_PAGE_SIZE != 0)
        return err_set(e, EINVAL, "memory of %s is odd: with 2M huge pages it comes in steps of 2M",
                       size.text);
    return 0;
}

int config_check(const struct machine_config *c, struct err *e)
{
    size_t len = config_cmdline(c, NULL, 0);
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
    if (len >= machine_model.cmdline_max)
        return err_set(e, EINVAL, "the kernel command line has %zu bytes, at most %u fit", len,
                       machine_model.cmdline_max - 1);
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
    return err_set(e, EINVAL, "'%.40s' is no kind of huge pages: none, transparent or 2M", word);
}

int config_accel(const struct machine_config *c, const struct accel_ops *const *accels,
                 struct choice *choice, struct err *e)
{
    const char *wanted = c->accel ? c->accel : "auto";
    char known[64] = "auto";
    size_t used = strlen(known);
    unsigned count = 0;

    for (; accels[count]; count++) {
        if (strcmp(wanted, accels[count]->name) == 0) {
            *choice = (struct choice){ .accels = &accels[count], .count = 1 };
            return 0;
        }
        if (used < sizeof(known))
            used +=
                (size_t)snprintf(known + used, sizeof(known) - used, ", %s", accels[count]->name);
    }
    if (strcmp(wanted, "auto") != 0)
        return err_set(e, EINVAL, "'%.40s' is no accelerator; there is: %s", wanted, known);
    *choice = (struct choice){ .accels = accels, .count = count };
    return 0;
}

size_t config_cmdline(const struct machine_config *c, char *to, size_t size)
{
    const char *base = c->cmdline ? c->cmdline : machine_model.cmdline;
    const char *more = c->append ? c->append : "";
    const char *space = base[0] != '\0' && more[0] != '\0' ? " " : "";

    return (size_t)snprintf(to, size, "%s%s%s", base, space, more);
}
