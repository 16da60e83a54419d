/*
 * decode_oracle COUNT FILE...: does mote's decoder agree with Zydis?
 *
 * Compares them on the code of each ELF file from end to end, then on COUNT random byte strings in
 * each mode, half of which are bent towards the larger opcode maps. Prints how fast mote's decoder
 * alone was, the first differences that are not accepted, and how many of each kind there were;
 * status 1 if one was not accepted.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "e2e/decode_oracle/accepted.h"
#include "e2e/decode_oracle/compare.h"
#include "emu/x86/decode/table.h"

#define SHOWN_MAX 40u

struct tally {
    struct compare compare;
    uint64_t compared, accepted, failed;
};

static void show(const struct compared *c, enum difference difference, const uint8_t *bytes,
                 size_t size, enum decode_mode mode)
{
    static const char *const modes[DECODE_MODES] = { "16-bit", "32-bit", "64-bit", "64-bit AMD" };
    const char *ours = "-", *theirs = "-", *set = "";

    if (c->result == DECODE_OK)
        ours = table_name((enum mnemonic)table_rows[c->insn.row].mnemonic);
    if (ZYAN_SUCCESS(c->status)) {
        theirs = ZydisMnemonicGetString(c->zydis.mnemonic);
        set = ZydisISASetGetString(c->zydis.meta.isa_set);
    }
    printf("%s: %s, for Zydis %s %s, %s:", difference_names[difference], ours, theirs, set,
           modes[mode]);
    for (size_t i = 0; i < size && i < DECODE_BYTES_MAX; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

/* Compares one instruction; returns its length, or 1 if it is none to either. */
static size_t check(struct tally *t, const uint8_t *bytes, size_t size, enum decode_mode mode)
{
    struct compared c;
    enum difference difference = compare(&t->compare, &c, bytes, size, mode);

    t->compared++;
    if (difference != DIFFERENT_NOT) {
        if (accepted(difference, &c))
            t->accepted++;
        else if (t->failed++ < SHOWN_MAX)
            show(&c, difference, bytes, size, mode);
    }
    if (ZYAN_SUCCESS(c.status))
        return c.zydis.length;
    return c.result == DECODE_OK ? c.insn.len : 1;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *name, const uint8_t *code, size_t size)
{
    uint64_t insns = 0, rows = 0;
    double start = now(), took;
    struct insn insn;

    for (size_t at = 0; at < size; insns++) {
        if (decode(&insn, code + at, size - at, DECODE_64) == DECODE_OK) {
            at += insn.len;
            rows += insn.row;
        } else {
            at++;
        }
    }
    took = now() - start;
    printf("%s: %lu instructions, %.1f million a second (rows add up to %lu)\n", name, insns,
           (double)insns / 1e6 / took, rows);
}

static void sweep(struct tally *t, const char *name, const uint8_t *code, size_t size)
{
    measure(name, code, size);
    for (size_t at = 0; at < size;)
        at += check(t, code + at, size - at, DECODE_64);
}

/* Sweeps every executable section of more than a page; the files are trusted to be well-formed. */
static void sweep_elf(struct tally *t, const char *name, const uint8_t *file, size_t size)
{
    const Elf64_Ehdr *elf = (const void *)file;
    const Elf64_Shdr *s;

    if (size < sizeof *elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0) {
        fprintf(stderr, "%s: not an ELF file\n", name);
        exit(2);
    }
    s = (const void *)(file + elf->e_shoff);
    for (unsigned i = 0; i < elf->e_shnum; i++) {
        if ((s[i].sh_flags & SHF_EXECINSTR) && s[i].sh_type == SHT_PROGBITS && s[i].sh_size > 4096)
            sweep(t, name, file + s[i].sh_offset, s[i].sh_size);
    }
}

static void sweep_file(struct tally *t, const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *file;

    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(name);
        exit(2);
    }
    file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) {
        perror(name);
        exit(2);
    }
    sweep_elf(t, name, file, (size_t)st.st_size);
    munmap(file, (size_t)st.st_size);
    close(fd);
}

static uint64_t next_random(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Puts prefixes, escapes and VEX in front of random bytes, which rarely have them by chance. */
static void bend(uint8_t *bytes, uint64_t how)
{
    static const uint8_t prefixes[8] = { 0x66, 0xf2, 0xf3, 0x67, 0xf0, 0x48, 0x41, 0x64 };
    unsigned at = 0;

    for (unsigned i = how & 3; i < 3; i++)
        bytes[at++] = prefixes[how >> (2 + 3 * i) & 7];
    switch (how >> 12 & 7) {
    case 0:
    case 1:
        bytes[at] = 0x0f;
        break;
    case 2:
        bytes[at++] = 0x0f;
        bytes[at] = how & 1 << 15 ? 0x38 : 0x3a;
        break;
    case 3:
        bytes[at++] = 0xc5;
        bytes[at] |= 0xc0;
        break;
    case 4:
    case 5:
        bytes[at++] = 0xc4;
        bytes[at] = (uint8_t)((bytes[at] & 0xe0) | (1 + (how >> 16) % 3));
        bytes[at + 1] |= how & 1 << 15 ? 0x78 : 0;
        break;
    default:
        break;
    }
}

static void sweep_random(struct tally *t, uint64_t count)
{
    uint64_t state = 0x9e3779b97f4a7c15, words[2];
    uint8_t bytes[sizeof words];

    for (uint64_t i = 0; i < count; i++) {
        words[0] = next_random(&state);
        words[1] = next_random(&state);
        memcpy(bytes, words, sizeof bytes);
        if (i & 1)
            bend(bytes, next_random(&state));
        for (unsigned mode = 0; mode < DECODE_MODES; mode++)
            check(t, bytes, sizeof bytes, (enum decode_mode)mode);
    }
}

int main(int argc, char **argv)
{
    static struct tally t;

    if (argc < 2) {
        fprintf(stderr, "usage: decode_oracle COUNT FILE...\n");
        return 2;
    }
    compare_init(&t.compare);
    for (int i = 2; i < argc; i++)
        sweep_file(&t, argv[i]);
    sweep_random(&t, strtoull(argv[1], NULL, 10));
    printf("%lu compared, %lu accepted differences, %lu others\n", t.compared, t.accepted,
           t.failed);
    return t.failed != 0;
}
