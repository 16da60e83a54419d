#include "api/run/escape.h"

#include <criterion/criterion.h>
#include <string.h>

/* What the guest got, and the letters of the commands, after everything was typed in one go. */
struct result {
    char guest[64];
    char commands[16];
};

static struct result type(struct escape *s, const char *typed)
{
    struct result r = { 0 };
    size_t len = strlen(typed), used = 0, commands = 0;

    for (size_t at = 0; at < len;) {
        enum escape_command command;
        size_t n, took;

        took = escape_filter(s, (const uint8_t *)typed + at, len - at, (uint8_t *)r.guest + used,
                             &n, &command);
        cr_assert_gt(took, 0);
        cr_assert_leq(n, took + 1);
        at += took;
        used += n;
        if (command != ESCAPE_NONE)
            r.commands[commands++] = command == ESCAPE_QUIT ? 'x' : 'h';
    }
    return r;
}

static void expect(const char *typed, const char *guest, const char *commands)
{
    struct escape s = { 0 };
    struct result r = type(&s, typed);

    cr_assert_str_eq(r.guest, guest);
    cr_assert_str_eq(r.commands, commands);
}

Test(escape, lets_other_keys_through)
{
    expect("ls -l\r\x03\x1b[A", "ls -l\r\x03\x1b[A", "");
}

Test(escape, knows_its_pairs)
{
    expect("a\x01xb", "ab", "x");
    expect("a\x01hb", "ab", "h");
    expect("a\x01"
           "cb",
           "a\x01"
           "b",
           "");
    expect("\x01h\x01h\x01x", "", "hhx");
}

Test(escape, hands_pairs_that_mean_nothing_to_the_guest)
{
    expect("\x01k", "\x01k", "");
    expect("\x01\x01", "\x01\x01", "");
    expect("\x01\x01x", "\x01\x01x", "");
    expect("\x01X", "\x01X", "");
}

Test(escape, holds_the_prefix_until_the_next_key)
{
    struct escape s = { 0 };

    cr_assert_str_eq(type(&s, "a\x01").guest, "a");
    cr_assert(s.prefixed);
    cr_assert_str_eq(type(&s, "x").commands, "x");
    cr_assert_not(s.prefixed);
    cr_assert_str_eq(type(&s, "x").guest, "x");
}

Test(escape, may_give_one_byte_more_than_it_took)
{
    struct escape s = { .prefixed = true };

    cr_assert_str_eq(type(&s, "k").guest, "\x01k");
}

Test(escape, stops_behind_a_command)
{
    struct escape s = { 0 };
    uint8_t to[8];
    size_t n;
    enum escape_command command;

    cr_assert_eq(escape_filter(&s, (const uint8_t *)"a\x01xbc", 5, to, &n, &command), 3);
    cr_assert_eq(command, ESCAPE_QUIT);
    cr_assert_eq(n, 1);
}

Test(escape, tells_its_keys_in_one_line)
{
    cr_assert(strstr(escape_help, "Ctrl-A x"));
    cr_assert(strstr(escape_help, "Ctrl-A c"));
    cr_assert(strstr(escape_help, "Ctrl-A h"));
    cr_assert_eq(strchr(escape_help, '\n'), escape_help + strlen(escape_help) - 1);
}
