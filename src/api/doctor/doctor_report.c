/* What `mote doctor` says about its findings. */
#include "api/doctor/doctor_report.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

static const char *const verdict_words[] = {
    [DOCTOR_GOOD] = "yes",
    [DOCTOR_LACKING] = "no",
    [DOCTOR_UNKNOWN] = "-",
};
static_assert(sizeof(verdict_words) / sizeof(verdict_words[0]) == DOCTOR_UNKNOWN + 1,
              "one word a verdict");

/* The first finding that speaks against the accelerator, or its last finding if none does. */
static const struct doctor_finding *accel_finding(const struct doctor_finding *found,
                                                  const char *name)
{
    const struct doctor_finding *last = NULL;

    for (unsigned i = 0; i < DOCTOR_CHECKS; i++) {
        if (!doctor_rows[i].accel || strcmp(doctor_rows[i].accel, name) != 0)
            continue;
        last = &found[i];
        if (last->verdict != DOCTOR_GOOD)
            break;
    }
    return last;
}

struct doctor_choice doctor_choose(const struct doctor_finding found[DOCTOR_CHECKS])
{
    static const char *const order[] = { "kvm", "emu" }; /* the order of main.c's table */
    const struct doctor_finding *kvm = accel_finding(found, order[0]);
    const struct doctor_finding *emu = accel_finding(found, order[1]);

    if (kvm->verdict == DOCTOR_GOOD)
        return (struct doctor_choice){ order[0], NULL, kvm->text };
    if (emu->verdict == DOCTOR_GOOD)
        return (struct doctor_choice){ order[1], order[0], kvm->text };
    return (struct doctor_choice){ NULL, NULL, emu->text };
}

static void doctor_print_conclusion(const struct doctor_choice *c, FILE *to)
{
    if (!c->accel)
        (void)fprintf(to, "\nNo machine can run here: %s\n", c->why);
    else if (c->instead_of)
        (void)fprintf(to, "\nA machine can run here: --accel auto chooses %s, not %s: %s\n",
                      c->accel, c->instead_of, c->why);
    else
        (void)fprintf(to, "\nA machine can run here: --accel auto chooses %s, which %s\n", c->accel,
                      c->why);
}

void doctor_print(const struct doctor_finding found[DOCTOR_CHECKS], FILE *to)
{
    const struct doctor_choice choice = doctor_choose(found);

    for (unsigned i = 0; i < DOCTOR_CHECKS; i++) {
        (void)fprintf(to, "%-24s%-5s%s\n", doctor_rows[i].label, verdict_words[found[i].verdict],
                      found[i].text);
        if (found[i].fix)
            (void)fprintf(to, "      %s\n", found[i].fix);
    }
    doctor_print_conclusion(&choice, to);
}

static json_t *finding_json(const struct doctor_finding *f)
{
    json_t *ok =
        f->verdict == DOCTOR_UNKNOWN ? json_null() : json_boolean(f->verdict == DOCTOR_GOOD);
    json_t *mips = f->mips ? json_integer((json_int_t)f->mips) : json_null();

    return json_pack("{s:o, s:s, s:s?, s:o}", "ok", ok, "found", f->text, "fix", f->fix, "mips",
                     mips);
}

void doctor_print_json(const struct doctor_finding found[DOCTOR_CHECKS], FILE *to)
{
    const struct doctor_choice choice = doctor_choose(found);
    json_t *checks = json_object();
    json_t *document;

    for (unsigned i = 0; i < DOCTOR_CHECKS; i++)
        (void)json_object_set_new(checks, doctor_rows[i].key, finding_json(&found[i]));
    document = json_pack("{s:s, s:b, s:{s:s?, s:s?, s:s}, s:o}", "version", MOTE_VERSION, "runs",
                         choice.accel != NULL, "auto", "accel", choice.accel, "instead_of",
                         choice.instead_of, "why", choice.why, "checks", checks);
    (void)json_dumpf(document, to, JSON_INDENT(2));
    (void)fputc('\n', to);
    json_decref(document);
}
