/* The log: the form of a line, escaping, levels, FIFOs, limits. */
#include "core/log/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"

static char dir[64];
static char path[96];
static char text[1 << 18];

static void setup(void)
{
    strcpy(dir, "/tmp/test_log.XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

TestSuite(log, .init = setup, .fini = teardown);

static void open_log(const char *id, enum log_level level)
{
    struct log_config config = { .path = path, .id = id, .level = level };
    struct err e = { 0 };

    cr_assert_eq(log_open(&config, &e), 0, "%s", e.text);
}

static const char *read_log(void)
{
    FILE *f = fopen(path, "r");
    size_t len;

    cr_assert_not_null(f);
    len = fread(text, 1, sizeof(text) - 1, f);
    text[len] = 0;
    fclose(f);
    return text;
}

static unsigned lines_in(const char *s)
{
    unsigned n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

/* What follows the first "] " in the last line. */
static char *message(void)
{
    static char copy[8192];
    const char *last;

    read_log();
    cr_assert_gt(strlen(text), 0);
    cr_assert_eq(text[strlen(text) - 1], '\n');
    text[strlen(text) - 1] = 0;
    last = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    cr_assert_not_null(strstr(last, "] "));
    snprintf(copy, sizeof(copy), "%s", strstr(last, "] ") + 2);
    return copy;
}

Test(log, a_line_has_time_id_thread_and_level)
{
    char thread[32], level[16], id[32];
    int year, month, day, hour, minute, second, used = 0;
    long ns;
    time_t before = time(NULL), at;
    struct tm tm = { 0 };

    open_log("demo", LOG_WARN);
    prctl(PR_SET_NAME, "fc_vcpu 0");
    log_warn("serial: the console lost %d bytes", 12);
    read_log();
    cr_assert_eq(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%9ld [%31[^:]:%31[^:]:%15[^]]] %n", &year,
                        &month, &day, &hour, &minute, &second, &ns, id, thread, level, &used),
                 10, "%s", text);
    cr_assert_str_eq(text + used, "serial: the console lost 12 bytes\n");
    cr_assert_str_eq(id, "demo");
    cr_assert_str_eq(thread, "fc_vcpu 0");
    cr_assert_str_eq(level, "WARN");
    cr_assert_eq(text[29], ' ', "nine digits of a second");

    tm.tm_year = year - 1900, tm.tm_mon = month - 1, tm.tm_mday = day;
    tm.tm_hour = hour, tm.tm_min = minute, tm.tm_sec = second;
    at = timegm(&tm);
    cr_assert(at >= before && at <= time(NULL), "it is UTC, and the C library's calendar agrees");
}

Test(log, levels_above_the_configured_one_are_silent)
{
    open_log(NULL, LOG_INFO);
    log_error("1");
    log_warn("2");
    log_info("3");
    log_debug("4");
    log_line(LOG_TRACE, "5");
    log_line(LOG_OFF, "6");
    cr_assert_eq(lines_in(read_log()), 3);
    cr_assert_not_null(strstr(text, "[mote:"));
    cr_assert(log_wants(LOG_INFO));
    cr_assert_not(log_wants(LOG_DEBUG));

    open_log(NULL, LOG_OFF);
    log_error("7");
    cr_assert_eq(lines_in(read_log()), 3, "reopening appends; LOG_OFF logs nothing");
    cr_assert_not(log_wants(LOG_OFF));
}

Test(log, what_could_forge_a_line_or_drive_a_terminal_is_escaped)
{
    open_log("a\nb", LOG_WARN);
    log_warn("drive %s", "x\n2026 [mote] fake\r\t\x1b[2J\x7f\xc2\x9b~");
    cr_assert_eq(lines_in(read_log()), 1);
    cr_assert_not_null(strstr(text, "[a\\x0ab:"));
    cr_assert_str_eq(message(), "drive x\\x0a2026 [mote] fake\\x0d\\x09\\x1b[2J\\x7f\\xc2\\x9b~");
}

Test(log, a_long_line_is_cut_with_a_mark)
{
    char *got, filler[4096];

    open_log(NULL, LOG_WARN);
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = 0;
    log_warn("%s", filler);
    got = message();
    cr_assert_gt(strlen(got), 900);
    cr_assert_lt(strlen(got), 1020);
    cr_assert_str_eq(got + strlen(got) - 4, "x...");

    memset(filler, '\n', sizeof(filler) - 1);
    log_warn("%s", filler);
    cr_assert_eq(lines_in(read_log()), 2);
    cr_assert_lt(strlen(text), 1100 + 4096);
}

Test(log, errno_survives_a_line)
{
    open_log(NULL, LOG_WARN);
    errno = EXDEV;
    log_warn("because: %m");
    cr_assert_eq(errno, EXDEV);
    cr_assert_not_null(strstr(message(), strerror(EXDEV)));
}

Test(log, the_file_is_the_owners_alone)
{
    struct stat st;

    open_log(NULL, LOG_WARN);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
}

Test(log, a_failing_open_changes_nothing)
{
    struct log_config bad = { .path = "/nonexistent/log", .level = LOG_TRACE };
    struct err e = { 0 };

    open_log(NULL, LOG_WARN);
    cr_assert_eq(log_open(&bad, &e), -ENOENT);
    cr_assert_str_eq(e.text, "cannot open the log /nonexistent/log: No such file or directory");
    log_warn("still here");
    log_debug("still silent");
    cr_assert_str_eq(message(), "still here");
    cr_assert_eq(lines_in(read_log()), 1);
}

/* Logs until the FIFO and the ring are full and 3 lines are lost; then opens the FIFO to read. */
static int reader_of_a_full_fifo(char *filler, size_t size)
{
    int reader;

    cr_assert_eq(mkfifo(path, 0600), 0);
    open_log(NULL, LOG_WARN);
    memset(filler, 'x', size - 1);
    filler[size - 1] = 0;
    cr_assert_eq(log_lost(), 0);
    for (unsigned i = 0; i < 1000 && log_lost() < 3; i++)
        log_warn("%u %s", i, filler);
    cr_assert_eq(log_lost(), 3);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    cr_assert_geq(reader, 0);
    return reader;
}

/* Reads all that has been written into `text`. */
static size_t take_all(int reader)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(reader, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    return len;
}

/* Expects the lines in `text` to be numbered from `from` on. Returns the next number. */
static unsigned count_on(unsigned from)
{
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        cr_assert_not_null(strstr(line, "] "));
        cr_assert_eq(strtoul(strstr(line, "] ") + 2, NULL, 10), from, "%.60s", line);
        from++;
    }
    return from;
}

Test(log, a_fifo_needs_no_reader_and_what_it_cannot_take_waits)
{
    char filler[800];
    int reader = reader_of_a_full_fifo(filler, sizeof(filler));
    unsigned next = 0;

    while (take_all(reader) > 0) {
        cr_assert_eq(text[strlen(text) - 1], '\n', "no half line");
        if (strstr(text, "log: 3 lines were lost here\n"))
            break;
        next = count_on(next);
        log_flush(0);
    }
    cr_assert_gt(next, 128, "the lines that waited came too");
    cr_assert_eq(take_all(reader), 0);
    log_warn("room again");
    take_all(reader);
    cr_assert_not_null(strstr(text, "] room again\n"), "%s", text);
    cr_assert_eq(lines_in(text), 1, "the loss is reported once");
    cr_assert_eq(log_lost(), 3);

    close(reader);
    log_warn("a reader that left does not end the process");
    cr_assert_eq(log_lost(), 3);
}

Test(log, lost_lines_are_reported_where_they_are_missing)
{
    char filler[800], *said, *again;
    int reader = reader_of_a_full_fifo(filler, sizeof(filler));

    take_all(reader);
    log_flush(0);
    log_warn("after the gap");
    do {
        cr_assert_gt(take_all(reader), 0);
        log_flush(0);
    } while (!strstr(text, "were lost here"));
    said = strstr(text, "WARN] log: 3 lines were lost here\n");
    again = strstr(text, "] after the gap\n");
    if (!again) {
        take_all(reader);
        again = strstr(text, "] after the gap\n");
    }
    cr_assert(said && again && said < again, "%.200s", text);
}

Test(log, a_descriptor_that_fails_costs_only_the_lines)
{
    struct log_config config = { .path = "/dev/full", .level = LOG_WARN };

    cr_assert_eq(log_open(&config, NULL), 0);
    for (unsigned i = 0; i < 1000; i++)
        log_warn("no space");
    cr_assert_eq(log_lost(), 1000);
    open_log(NULL, LOG_WARN);
    log_warn("space");
    read_log();
    cr_assert_eq(lines_in(text), 2, "%s", text);
    cr_assert_not_null(strstr(text, "log: 1000 lines were lost here\n"));
}

/* A socket takes a part of a line: the rest follows, and nothing comes between. */
Test(log, a_line_in_parts_is_one_line)
{
    int saved = dup(STDERR_FILENO), s[2], size = 1;
    struct log_config config = { .level = LOG_WARN };
    size_t len;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    cr_assert_eq(setsockopt(s[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    dup2(s[1], STDERR_FILENO);
    cr_assert_eq(log_open(&config, NULL), 0);
    for (unsigned i = 0; i < 100; i++)
        log_warn("%u", i);
    cr_assert_eq(fcntl(s[1], F_GETFL) & O_NONBLOCK, 0, "whoever shares it still blocks");
    len = 0;
    for (unsigned i = 0; i < 1000 && lines_in(text) < 100; i++) {
        ssize_t n = recv(s[0], text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        text[len] = 0;
        log_flush(0);
    }
    dup2(saved, STDERR_FILENO);
    cr_assert_eq(count_on(0), 100);
    cr_assert_eq(log_lost(), 0);
}

Test(log, stderr_is_the_default)
{
    int saved = dup(STDERR_FILENO), file = open(path, O_RDWR | O_CREAT, 0600);
    struct log_config config = { .level = LOG_INFO };

    dup2(file, STDERR_FILENO);
    log_info("not yet wanted");
    log_warn("by default");
    log_open(&config, NULL);
    log_info("as configured");
    dup2(saved, STDERR_FILENO);
    cr_assert_eq(lines_in(read_log()), 2);
    cr_assert_not_null(strstr(text, "by default"));
    cr_assert_str_eq(message(), "as configured");
}

Test(log, level_words)
{
    static const struct {
        const char *word;
        enum log_level level;
    } words[] = {
        { "off", LOG_OFF },      { "Error", LOG_ERROR }, { "warn", LOG_WARN },
        { "Warning", LOG_WARN }, { "INFO", LOG_INFO },   { "debug", LOG_DEBUG },
        { "tRaCe", LOG_TRACE },
    };
    enum log_level level;

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        level = LOG_LEVELS;
        cr_assert(log_level_parse(words[i].word, &level), "%s", words[i].word);
        cr_assert_eq(level, words[i].level, "%s", words[i].word);
    }
    level = LOG_DEBUG;
    cr_assert_not(log_level_parse("", &level));
    cr_assert_not(log_level_parse("warnings", &level));
    cr_assert_not(log_level_parse("2", &level));
    cr_assert_eq(level, LOG_DEBUG);
}

#define SECOND 1000000000ull

Test(log, a_limit_lets_ten_lines_through_in_five_seconds)
{
    struct log_limit limit = { 0 };
    uint64_t t0 = 1000 * SECOND;
    uint32_t held = 99;

    for (unsigned i = 0; i < 10; i++) {
        cr_assert(log_limit_pass(&limit, t0 + i, &held));
        cr_assert_eq(held, 0);
    }
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_not(log_limit_pass(&limit, t0 + 5 * SECOND - 1, &held));
        cr_assert_eq(held, 0);
    }
    cr_assert(log_limit_pass(&limit, t0 + 5 * SECOND, &held), "a new window");
    cr_assert_eq(held, 7, "which reports those of the old one");
    for (unsigned i = 0; i < 9; i++) {
        cr_assert(log_limit_pass(&limit, t0 + 6 * SECOND, &held));
        cr_assert_eq(held, 0);
    }
    cr_assert_not(log_limit_pass(&limit, t0 + 6 * SECOND, &held));
}

Test(log, a_limit_is_not_fooled_by_an_older_time)
{
    struct log_limit limit = { 0 };
    uint32_t held;

    for (unsigned i = 0; i < 10; i++)
        cr_assert(log_limit_pass(&limit, 100 * SECOND, &held));
    cr_assert_not(log_limit_pass(&limit, 1, &held), "another thread read its clock earlier");
    cr_assert_not(log_limit_pass(&limit, 101 * SECOND, &held));
}

static void storm(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        LOG_LIMITED(LOG_WARN, "storm %u", i);
}

Test(log, a_storm_is_ten_lines)
{
    open_log(NULL, LOG_WARN);
    storm(100);
    cr_assert_leq(lines_in(read_log()), 10 + 11, "one window, or two if a new one began meanwhile");
    cr_assert_geq(lines_in(text), 10);
}
