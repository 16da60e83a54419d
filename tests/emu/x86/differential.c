/*
 * The differential test: executes single instructions, drawn from the instruction table with random
 * and edge-case operands, on the host's own processor and on the software CPU. Both begin with the
 * same registers, flags and memory. Afterwards every register, defined flag, memory byte and fault
 * must be the same.
 *
 *     differential [--seed N] [--cases N] [--only MNEMONIC]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "emu/x86/compare.h"
#include "emu/x86/encode.h"
#include "emu/x86/guest.h"
#include "emu/x86/host.h"
#include "emu/x86/prepare.h"

#define PRINTED_MAX 20u
#define ATTEMPTS    3u
#define DRAWS_MAX   200u
#define ROWS_MAX    2048u
#define REASONS_MAX 16u

struct differential {
    struct pick pick;
    struct guest *guest;
    struct case_bases bases;
    const struct table_row *rows[ROWS_MAX];
    unsigned row_count;
    unsigned long long differences;
    uint8_t before[CASE_WRITABLE]; /* the window */
};

struct options {
    uint64_t seed;
    unsigned long long cases;
    const char *only; /* or NULL */
};

static struct options options_read(int argc, char **argv)
{
    struct options o = { .seed = 1, .cases = 100000 };

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            o.seed = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--cases") == 0)
            o.cases = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--only") == 0)
            o.only = argv[i + 1];
        else
            argc = 0;
    }
    if (argc % 2 == 0) {
        (void)fprintf(stderr, "usage: differential [--seed N] [--cases N] [--only MNEMONIC]\n");
        exit(2);
    }
    return o;
}

/* How many rows are left out, by reason. */
struct excluded {
    const char *reason[REASONS_MAX];
    unsigned count[REASONS_MAX];
};

static void exclude(struct excluded *x, const char *reason)
{
    unsigned i = 0;

    while (i < REASONS_MAX - 1 && x->reason[i] && strcmp(x->reason[i], reason) != 0)
        i++;
    x->reason[i] = reason;
    x->count[i]++;
}

static void rows_choose(struct differential *d, const char *only)
{
    struct excluded x = { .reason = { NULL } };

    for (unsigned i = 1; i < table_count && d->row_count < ROWS_MAX; i++) {
        const struct table_row *row = &table_rows[i];
        const char *reason = encode_excluded(row);

        if (only && strcasecmp(only, table_name((enum mnemonic)row->mnemonic)) != 0)
            continue;
        if (!reason && !guest_offers(d->guest, row))
            reason = "not on this processor";
        if (reason)
            exclude(&x, reason);
        else
            d->rows[d->row_count++] = row;
    }
    (void)printf("%u forms of instructions", d->row_count);
    for (unsigned i = 0; i < REASONS_MAX && x.reason[i]; i++)
        (void)printf("%s %u %s", i ? "," : "; left out:", x.count[i], x.reason[i]);
    (void)printf("\n");
}

static void draw(struct differential *d, struct aim *a)
{
    const struct table_row *row = d->rows[pick_below(&d->pick, d->row_count)];

    for (unsigned i = 0; i < DRAWS_MAX; i++)
        if (encode(&d->pick, row, a->t) && prepare(a))
            return;
    (void)fprintf(stderr, "found no encoding of %s, opcode %#x\n",
                  table_name((enum mnemonic)row->mnemonic), row->opcode);
    exit(1);
}

static void memory_put(uint8_t *data, const struct aim_memory *m)
{
    for (unsigned i = 0; i < m->size; i++)
        if (m->at + i - CASE_DATA < CASE_WRITABLE)
            data[m->at + i - CASE_DATA] = m->bytes[i];
}

/* Runs the case on both, from the same memory. Returns whether they agree. */
static bool agree(struct differential *d, struct compare *c, struct case_state *host,
                  struct case_state *guest)
{
    const struct aim *a = c->aim;

    for (unsigned i = 0; i < a->count; i++) {
        memory_put(host_data(), &a->memory[i]);
        memory_put(guest_data(d->guest), &a->memory[i]);
    }
    host_run(a->t, host);
    guest_run(d->guest, a->t, guest);
    return compare_same(c);
}

/* A difference that occurs once may be the host's doing. A hypervisor may have to emulate an
 * instruction because its page has just been taken away, and raise #UD for one it does not know. A
 * kernel that is interrupted while RSP is not an address cannot return to it. A real difference
 * occurs again, so each case has several attempts. */
static void try_one(struct differential *d)
{
    struct test_case t;
    struct aim a = { .p = &d->pick, .t = &t, .bases = &d->bases };
    struct case_state host, guest;
    struct compare c = { &a, &host, &guest, host_data(), guest_data(d->guest) };

    draw(d, &a);
    memcpy(d->before, host_data(), CASE_WRITABLE);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        if (agree(d, &c, &host, &guest))
            return;
        if (i == ATTEMPTS - 1 && d->differences++ < PRINTED_MAX)
            compare_print(&c, stdout);
        memcpy(host_data(), d->before, CASE_WRITABLE);
        memcpy(guest_data(d->guest), d->before, CASE_WRITABLE);
    }
}

static void window_fill(struct differential *d)
{
    for (unsigned i = 0; i < CASE_WRITABLE + CASE_PAGE; i += 32)
        pick_operand(&d->pick, host_data() + i, 32);
    memcpy(guest_data(d->guest), host_data(), CASE_WRITABLE + CASE_PAGE);
}

int main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    struct differential d = { .pick = { .state = o.seed } };

    if (!host_start(&d.bases)) {
        perror("cannot prepare the host's side");
        return 1;
    }
    d.guest = guest_create(&d.bases);
    rows_choose(&d, o.only);
    if (d.row_count == 0)
        return 1;
    window_fill(&d);
    if (!host_seal())
        return 1;
    for (unsigned long long i = 0; i < o.cases; i++)
        try_one(&d);
    guest_destroy(d.guest);
    (void)printf("%llu cases, %llu differences\n", o.cases, d.differences);
    return d.differences != 0;
}
