/* Tries accelerators one after the other, each with a machine of its own. */
#include "api/machine/choice.h"

#include <assert.h>
#include <string.h>

#include "core/base/err.h"
#include "core/log/log.h"

int choice_vm_init(struct vm *vm, const struct vm_config *config, const struct choice *choice,
                   struct loop *loop, struct timeline *timeline, struct err *e)
{
    struct err refused = { "" }; /* why the one before could not be used */
    int ret = 0;

    assert(choice->count > 0);
    for (unsigned i = 0; i < choice->count; i++) {
        struct vm_config attempt = *config;
        uint64_t mips = 0;

        attempt.accel = choice->accels[i];
        attempt.probe_mips = i + 1 < choice->count ? &mips : NULL;
        memset(vm, 0, sizeof(*vm));
        ret = vm_init(vm, &attempt, loop, timeline, i + 1 < choice->count ? &refused : e);
        if (ret < 0)
            continue;
        /* Logged only on success: where all fail, the last sentence is enough. */
        if (mips > 0)
            log_info("the guest runs on %s, which executes its kernel at %llu MIPS or more",
                     choice->accels[i]->name, (unsigned long long)mips);
        if (i > 0)
            log_warn("the guest runs on %s, not on %s: %s", choice->accels[i]->name,
                     choice->accels[i - 1]->name, refused.text);
        break;
    }
    return ret;
}
