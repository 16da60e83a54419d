#ifndef TESTS_PTY_H
#define TESTS_PTY_H
/* A pseudo-terminal of which the test keeps both ends open, so that it can see which mode it was
 * left in. */
#include <criterion/criterion.h>
#include <pty.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct pty {
    int master, slave;
    struct termios before;
};

static inline struct pty pty_open(void)
{
    struct pty p;

    cr_assert_eq(openpty(&p.master, &p.slave, NULL, NULL, NULL), 0);
    cr_assert_eq(tcgetattr(p.slave, &p.before), 0);
    return p;
}

static inline void pty_close(struct pty *p)
{
    (void)close(p->master);
    (void)close(p->slave);
}

static inline bool is_raw(const struct pty *p)
{
    struct termios now;

    return tcgetattr(p->slave, &now) == 0 && !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static inline bool is_as_before(const struct pty *p)
{
    struct termios now;

    return tcgetattr(p->slave, &now) == 0 && now.c_iflag == p->before.c_iflag &&
           now.c_oflag == p->before.c_oflag && now.c_cflag == p->before.c_cflag &&
           now.c_lflag == p->before.c_lflag && memcmp(now.c_cc, p->before.c_cc, NCCS) == 0;
}

#endif
