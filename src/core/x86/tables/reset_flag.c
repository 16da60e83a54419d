/*
 * The reset flag of the BIOS data area.
 *
 * The flag starts as FLAG_UNTOUCHED, which Linux never writes and to which no firmware or kernel
 * gives a meaning. Linux reserves the first page for the firmware and does not clear that page.
 */
#include "core/x86/tables/reset_flag.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/layout.h"
#include "core/x86/tables/cmdline_word.h"

#define FLAG_UNTOUCHED 0xffffu
#define FLAG_COLD      0u
#define FLAG_WARM      0x1234u

int reset_flag_write(const struct mem *m, struct err *e)
{
    const uint16_t flag = FLAG_UNTOUCHED;

    if (!mem_write(m, LAYOUT_RESET_FLAG, &flag, sizeof(flag)))
        return err_set(e, ENOSPC, "guest memory ends below the reset flag, %#llx",
                       LAYOUT_RESET_FLAG);
    return 0;
}

/* The modes that the "reboot=" words read so far have set. */
struct modes {
    bool warm;       /* every reset is warm */
    bool panic_warm; /* the reset after a panic is warm */
};

/* Whether this item only names the processor that reboots: s1 or smp1. */
static bool item_names_processor(const char *item)
{
    const char *number = item + (strncmp(item, "smp", 3) == 0 ? 3 : 1);

    return item[0] == 's' && *number >= '0' && *number <= '9';
}

/* Reads one of the items between commas. Its first character, after any "panic_", decides, unless
 * it names a processor. */
static void reboot_item_read(struct modes *modes, const char *item)
{
    bool *mode = &modes->warm;

    if (strncmp(item, "panic_", 6) == 0) {
        mode = &modes->panic_warm;
        item += 6;
    }
    if (item_names_processor(item))
        return;
    switch (*item) {
    case 'w':
        *mode = true;
        break;
    case 'c': /* cold */
    case 'h': /* hard */
    case 's': /* soft */
    case 'g': /* gpio */
        *mode = false;
        break;
    default: /* a method, not a mode */
        break;
    }
}

static void reboot_word_read(struct modes *modes, const struct cmdline_word *word)
{
    static const char name[] = "reboot=";
    const char *at = word->text + sizeof(name) - 1, *end = word->text + word->len;

    if (!cmdline_word_begins(word, name))
        return;
    while (at < end) {
        reboot_item_read(modes, at);
        at = memchr(at, ',', (size_t)(end - at));
        if (!at)
            return;
        at++;
    }
}

bool reset_flag_tells_panics(const char *cmdline)
{
    struct modes modes = { 0 };
    struct cmdline_word word;

    while (cmdline_word_next(&cmdline, &word))
        reboot_word_read(&modes, &word);
    return modes.panic_warm && !modes.warm;
}

enum power_end reset_flag_judge(const struct mem *m, enum power_end why, bool tells_panics)
{
    uint16_t flag;

    if (why != POWER_RESET && why != POWER_TRIPLE_FAULT)
        return why;
    if (!mem_read(m, LAYOUT_RESET_FLAG, &flag, sizeof(flag)))
        return why;
    if (flag == FLAG_WARM && tells_panics)
        return POWER_PANIC;
    return flag == FLAG_WARM || flag == FLAG_COLD ? POWER_RESET : why;
}
