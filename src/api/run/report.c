/* What mote tells the operator when a run is over. */
#include "api/run/report.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

/* A text being written. Labels and 64-bit numbers are bounded, so either form fits. */
struct report_builder {
    struct report_text *out;
    size_t used;
};

static void report_add(struct report_builder *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void report_add(struct report_builder *b, const char *fmt, ...)
{
    size_t room = sizeof(b->out->text) - b->used;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(b->out->text + b->used, room, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < room);
    b->used += (size_t)n;
}

static void report_add_text(struct report_builder *b, const struct timeline *t)
{
    for (unsigned i = 0; i < TIMELINE_MARKS; i++) {
        int64_t us = timeline_us(t, (enum timeline_mark)i);

        report_add(b, "%24s: ", timeline_mark_label((enum timeline_mark)i));
        if (us < 0)
            report_add(b, "not reached\n");
        else
            report_add(b, "%" PRId64 " us\n", us);
    }
}

static void report_add_json(struct report_builder *b, const struct timeline *t)
{
    json_t *marks = json_object();
    json_t *document = json_pack("{s:o}", "timeline_us", marks);

    for (unsigned i = 0; i < TIMELINE_MARKS; i++) {
        int64_t us = timeline_us(t, (enum timeline_mark)i);

        (void)json_object_set_new(marks, timeline_mark_key((enum timeline_mark)i),
                                  us < 0 ? json_null() : json_integer(us));
    }
    b->used = json_dumpb(document, b->out->text, sizeof(b->out->text), JSON_COMPACT);
    json_decref(document);
    assert(b->used < sizeof(b->out->text));
    report_add(b, "\n");
}

struct report_text report_timeline(const struct timeline *t, enum report_form form)
{
    struct report_text out = { "" };
    struct report_builder b = { .out = &out };

    if (form == REPORT_TEXT)
        report_add_text(&b, t);
    if (form == REPORT_JSON)
        report_add_json(&b, t);
    return out;
}

int report_status(enum power_end why)
{
    switch (why) {
    case POWER_OFF:
    case POWER_RESET:
    case POWER_QUIT:
        return 0;
    case POWER_NONE:
    case POWER_TRIPLE_FAULT:
    case POWER_PANIC:
    case POWER_FAILED:
        break;
    }
    return 1;
}

const char *report_sentence(enum power_end why)
{
    switch (why) {
    case POWER_TRIPLE_FAULT:
        return "the guest died: its processor shut down after a triple fault";
    case POWER_PANIC:
        return "the guest died: its kernel panicked";
    case POWER_NONE:
    case POWER_FAILED:
        return "the machine could not go on; the log says why";
    case POWER_OFF:
    case POWER_RESET:
    case POWER_QUIT:
        break;
    }
    return NULL;
}
