/* Snapshot records: written, read back, and every way in which bytes are not a state. */
#include "core/base/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

static struct state_writer w;
static struct state_reader r;
static struct err e;

/* Two sections, the second optional. */
static void write_two(uint16_t flags)
{
    state_begin(&w);
    state_section(&w, "vcpu.0", 2, 0);
    state_put_u8(&w, 0, 0x12);
    state_put_u16(&w, 1, 0x1234);
    state_put_u32(&w, 7, 0x12345678);
    state_put_u64(&w, 300, UINT64_C(0x123456789abcdef0));
    state_put(&w, 65535, "thirteen chr", 13);
    state_section(&w, "entropy", 1, STATE_OPTIONAL);
    state_put(&w, 3, NULL, 0);
    cr_assert_eq(state_end(&w, flags, &e), 0, "%s", e.text);
}

static void open_it(void)
{
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0, "%s", e.text);
}

static void expect(int ret, int code, const char *text)
{
    cr_assert_eq(ret, -code, "%d: %s", ret, e.text);
    cr_assert_str_eq(e.text, text);
}

/* Opens a state that was changed, and expects this error. */
static void expect_refused(int code, const char *text)
{
    expect(state_open(&r, w.data, w.len, &e), code, text);
    cr_assert_eq(r.count, 0);
}

Test(state, comes_back_as_it_was)
{
    struct state_fields f;
    size_t len;

    for (uint16_t flags = 0; flags <= STATE_CHECKSUM; flags++) {
        write_two(flags);
        open_it();
        cr_assert(state_has_section(&r, "entropy"));
        cr_assert_not(state_has_section(&r, "vcpu"));
        f = state_find(&r, "vcpu.0", 2, &e);
        cr_assert_eq(state_get(&f, 0, UINT8_MAX), 0x12);
        cr_assert_eq(state_get(&f, 1, UINT16_MAX), 0x1234);
        cr_assert_eq(state_get(&f, 7, UINT32_MAX), 0x12345678);
        cr_assert_eq(state_get(&f, 300, UINT64_MAX), UINT64_C(0x123456789abcdef0));
        cr_assert_str_eq(state_get_bytes(&f, 65535, 13), "thirteen chr");
        cr_assert_eq(state_done(&f), 0);
        f = state_find(&r, "entropy", 1, &e);
        cr_assert_not_null(state_get_blob(&f, 3, 100, &len));
        cr_assert_eq(len, 0);
        cr_assert_eq(state_done(&f), 0);
        cr_assert_eq(state_close(&r, &e), 0);
    }
    state_free(&w);
}

/* The format is a promise to existing files: these bytes must stay readable. */
Test(state, has_the_layout_that_the_header_describes)
{
    static const uint8_t bytes[] = {
        'm', 'o', 't', 'e', 's', 't', 'a', 't', 1, 0, 0,   0,   0, 0, 0, 0, 64, 0, 0, 0, 0, 0,
        0,   0,   32,  0,   0,   0,   5,   0,   1, 2, 'a', 'b', 0, 0, 0, 0, 0,  0, 2, 1, 0, 0,
        3,   0,   0,   0,   7,   8,   9,   0,   0, 0, 0,   0,   3, 1, 0, 0, 0,  0, 0, 0,
    };

    state_begin(&w);
    state_section(&w, "ab", 5, STATE_OPTIONAL);
    state_put(&w, 0x102, (uint8_t[]){ 7, 8, 9 }, 3);
    state_put(&w, 0x103, NULL, 0);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    cr_assert_eq(w.len, sizeof(bytes));
    cr_assert_arr_eq(w.data, bytes, sizeof(bytes));
    state_free(&w);
}

Test(state, fields_are_found_in_any_order)
{
    struct state_fields f;

    state_begin(&w);
    state_section(&w, "a", 1, 0);
    for (uint16_t i = 0; i < 100; i++)
        state_put_u16(&w, (uint16_t)(2 * i), i);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    open_it();
    f = state_find(&r, "a", 1, &e);
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t field = (uint16_t)(i * 37 % 101); /* 0 to 100, hopping; 100 is even and there */
        cr_assert_eq(state_has(&f, field), field % 2 == 0, "%u", field);
        if (field % 2 == 0)
            cr_assert_eq(state_get(&f, field, 1000), field / 2);
    }
    cr_assert_not(state_has(&f, 200));
    cr_assert_eq(state_get(&f, 198, 1000), 99);
    cr_assert_eq(state_done(&f), 0);
    state_free(&w);
}

/* An integer that its writer stored wider is understood as long as the value fits. */
Test(state, an_integer_is_judged_by_its_value)
{
    struct state_fields f;

    write_two(0);
    open_it();
    f = state_find(&r, "vcpu.0", 2, &e);
    cr_assert_eq(state_get(&f, 7, 0x12345678), 0x12345678);
    cr_assert_eq(state_done(&f), 0);
    cr_assert_eq(state_get(&f, 7, 0x12345677), 0);
    cr_assert_eq(state_get(&f, 299, 9), 0);
    expect(state_done(&f), EINVAL, "section 'vcpu.0': field 7 is out of range");
    state_free(&w);
}

Test(state, what_is_missing_is_told_once)
{
    struct state_fields f;
    size_t len;

    write_two(0);
    open_it();
    f = state_find(&r, "vcpu.0", 2, &e);
    cr_assert_eq(state_get(&f, 2, 9), 0);
    cr_assert_eq(state_get(&f, 3, 9), 0);
    cr_assert_null(state_get_bytes(&f, 65534, 1));
    expect(state_done(&f), EINVAL, "section 'vcpu.0': field 2 is missing");
    r.entries[0].taken = false;
    f = state_find(&r, "vcpu.0", 2, &e);
    cr_assert_eq(state_get(&f, 65535, UINT64_MAX), 0);
    expect(state_done(&f), EINVAL, "section 'vcpu.0': field 65535 is not an integer");
    r.entries[0].taken = false;
    f = state_find(&r, "vcpu.0", 2, &e);
    cr_assert_null(state_get_bytes(&f, 65535, 14));
    expect(state_done(&f), EINVAL, "section 'vcpu.0': field 65535 is too short");
    r.entries[0].taken = false;
    f = state_find(&r, "vcpu.0", 2, &e);
    cr_assert_null(state_get_blob(&f, 65535, 12, &len));
    cr_assert_eq(len, 0);
    expect(state_done(&f), EINVAL, "section 'vcpu.0': field 65535 is too long");
    r.entries[0].taken = false;
    f = state_find(&r, "vcpu.0", 2, &e);
    state_refuse(&f, "it makes no sense");
    state_refuse(&f, "at all");
    expect(state_done(&f), EINVAL, "section 'vcpu.0': it makes no sense");
    state_free(&w);
}

Test(state, sections_are_taken_once_and_in_a_known_version)
{
    struct state_fields f;

    write_two(0);
    open_it();
    f = state_find(&r, "vcpu.1", 1, &e);
    cr_assert_not(state_has(&f, 0));
    expect(state_done(&f), EINVAL, "the machine's state has no section 'vcpu.1'");
    f = state_find(&r, "vcpu.0", 1, &e);
    cr_assert_eq(state_get(&f, 0, 255), 0);
    expect(state_done(&f), ENOTSUP, "section 'vcpu.0' has version 2, this mote reads up to 1");
    expect(state_close(&r, &e), ENOTSUP,
           "the machine's state has a section 'vcpu.0' that this machine has no use for");
    f = state_find(&r, "vcpu.0", 3, &e);
    cr_assert_eq(state_done(&f), 0);
    cr_assert_eq(state_close(&r, &e), 0, "the other may be skipped");
    f = state_find(&r, "vcpu.0", 3, &e);
    expect(state_done(&f), EINVAL, "the machine's state has no second section 'vcpu.0'");
    state_free(&w);
}

Test(state, other_bytes_are_refused)
{
    write_two(0);
    w.data[3] ^= 1;
    expect_refused(EINVAL, "the machine's state: it was not written by mote");
    write_two(0);
    w.data[8] = 2;
    expect_refused(ENOTSUP, "the machine's state: it has format 2 and flags 0x0, this mote reads "
                            "format 1 and flags up to 0x1");
    write_two(0);
    w.data[10] = 2; /* a flag */
    expect_refused(ENOTSUP, "the machine's state: it has format 1 and flags 0x2, this mote reads "
                            "format 1 and flags up to 0x1");
    write_two(0);
    w.data[16] = 16;
    expect_refused(EINVAL, "the machine's state: it cannot be 16 bytes long");
    write_two(0);
    w.data[16]--;
    expect_refused(EINVAL, "the machine's state: it cannot be 151 bytes long");
    w.len = 0;
    expect_refused(EINVAL, "the machine's state: it was not written by mote");
    state_free(&w);
}

/* The checksum covers every byte. */
Test(state, damage_is_found_by_the_checksum)
{
    write_two(STATE_CHECKSUM);
    for (size_t i = 24; i < w.len; i++) {
        w.data[i] ^= 0x10;
        expect_refused(EINVAL, "the machine's state: it is damaged: its checksum does not match");
        w.data[i] ^= 0x10;
    }
    open_it();
    state_free(&w);
}

/* At every length: first the file is shorter than its header says, then the header says so too. */
Test(state, what_is_cut_off_is_refused)
{
    size_t whole;
    void *copy;

    write_two(0);
    whole = w.len;
    for (size_t len = 0; len < whole; len++) {
        copy = malloc(len); /* so that a sanitizer sees a read behind it */
        memcpy(copy, w.data, len);
        cr_assert_eq(state_open(&r, copy, len, &e), -EINVAL, "%zu", len);
        if (len >= 24)
            cr_assert(strstr(e.text, "cut off"));
        free(copy);
    }
    for (uint64_t len = 32; len < whole; len += 8) {
        memcpy(w.data + 16, &len, 8);
        if (state_open(&r, w.data, len, &e) == 0)
            cr_assert(r.count == 1, "%zu bytes are a state only if cut between sections",
                      (size_t)len);
    }
    state_free(&w);
}

Test(state, what_lies_behind_is_ignored)
{
    write_two(STATE_CHECKSUM);
    w.data = realloc(w.data, w.size = w.len + 100);
    memset(w.data + w.len, 0xff, 100);
    w.len += 100;
    open_it();
    cr_assert_eq(r.count, 2);
    state_free(&w);
}

/* Offsets in what write_two writes. */
#define SECTION   24u
#define FIELD     (SECTION + 16u)
#define SECTION_2 (w.len - 24u)

Test(state, sections_without_sense_are_refused)
{
    write_two(0);
    w.data[SECTION] += 8;
    cr_assert_eq(state_open(&r, w.data, w.len, &e), -EINVAL);
    write_two(0);
    w.data[SECTION] += 4;
    expect_refused(EINVAL, "the machine's state: it ends in the middle of section 1");
    write_two(0);
    memset(w.data + SECTION, 0xff, 4);
    expect_refused(EINVAL, "the machine's state: it ends in the middle of section 1");
    write_two(0);
    w.data[SECTION + 7] = 0;
    expect_refused(EINVAL, "the machine's state: section 1 has no valid name");
    write_two(0);
    w.data[SECTION + 7] = 96;
    cr_assert_eq(state_open(&r, w.data, w.len, &e), -EINVAL);
    write_two(0);
    w.data[SECTION + 8 + 2] = '\n';
    expect_refused(EINVAL, "the machine's state: section 1 has no valid name");
    state_free(&w);
}

Test(state, fields_without_sense_are_refused)
{
    write_two(0);
    w.data[FIELD + 4] = 255;
    expect_refused(EINVAL, "the machine's state: section 'vcpu.0' ends in the middle of a field");
    write_two(0);
    memset(w.data + FIELD + 4, 0xff, 4);
    expect_refused(EINVAL, "the machine's state: section 'vcpu.0' ends in the middle of a field");
    write_two(0);
    w.data[FIELD + 2] = 1;
    expect_refused(EINVAL, "the machine's state: section 'vcpu.0' has field 0 out of place");
    write_two(0);
    w.data[FIELD] = 1; /* there are two of number 1 now */
    expect_refused(EINVAL, "the machine's state: section 'vcpu.0' has field 1 out of place");
    write_two(0);
    w.data[FIELD + 16] = 8; /* in front of 7 */
    expect_refused(EINVAL, "the machine's state: section 'vcpu.0' has field 7 out of place");
    state_free(&w);
}

static void write_many(unsigned count, const char *last)
{
    char name[16];

    state_begin(&w);
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        state_section(&w, i + 1 < count || !last ? name : last, 1, 0);
    }
    cr_assert_eq(state_end(&w, 0, &e), 0);
}

Test(state, a_section_twice_is_refused)
{
    write_many(5, "2");
    expect_refused(EINVAL, "the machine's state: it has two sections '2'");
    state_free(&w);
}

Test(state, too_many_sections_are_refused)
{
    write_many(STATE_SECTIONS_MAX, NULL);
    open_it();
    cr_assert_eq(r.count, STATE_SECTIONS_MAX);
    write_many(STATE_SECTIONS_MAX + 1, NULL);
    expect_refused(EINVAL, "the machine's state: it has more than 128 sections");
    state_free(&w);
}

Test(state, may_be_empty)
{
    state_begin(&w);
    cr_assert_eq(state_end(&w, STATE_CHECKSUM, &e), 0);
    open_it();
    cr_assert_eq(state_close(&r, &e), 0);
    state_free(&w);
    state_free(&w);
}

Test(state, takes_the_longest_name)
{
    char name[STATE_NAME_MAX + 1] = { 0 };

    memset(name, 'n', STATE_NAME_MAX);
    state_begin(&w);
    state_section(&w, name, 1, 0);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    open_it();
    cr_assert(state_has_section(&r, name));
    state_free(&w);
}

/* Large fields can be used in place. */
Test(state, fields_are_aligned)
{
    struct state_fields f;

    state_begin(&w);
    state_section(&w, "odd", 1, 0);
    state_put(&w, 1, "x", 1);
    state_put(&w, 2, "0123456789", 10);
    state_put_u64(&w, 3, 1);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    open_it();
    f = state_find(&r, "odd", 1, &e);
    for (uint16_t i = 1; i <= 3; i++) {
        size_t len;
        const uint8_t *at = state_get_blob(&f, i, 100, &len);
        cr_assert_eq((at - w.data) % 8, 0);
    }
    state_free(&w);
}

/* By default a sanitizer's allocator would end the process instead. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Only state_end reports the failure; the calls before it go on quietly. */
Test(state, no_memory_is_told_at_the_end)
{
    state_begin(&w);
    state_section(&w, "large", 1, 0);
    w.len = w.size = (size_t)1 << 46; /* as if so much had been written already */
    state_put_u8(&w, 1, 1);
    state_section(&w, "more", 1, 0);
    state_put_u8(&w, 1, 1);
    expect(state_end(&w, 0, &e), ENOMEM, "no memory for the machine's state");
    w.size = 0;
    state_begin(&w);
    cr_assert_eq(state_end(&w, 0, &e), 0, "and the writer can be used again");
    state_free(&w);
}

Test(state, more_than_a_length_can_say_is_refused)
{
    state_begin(&w);
    state_section(&w, "large", 1, 0);
    state_put(&w, 1, "", (size_t)UINT32_MAX + 1);
    expect(state_end(&w, 0, &e), ENOMEM, "no memory for the machine's state");
    state_free(&w);
}
