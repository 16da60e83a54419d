/*
 * The operator's terminal in raw mode, given back on every way out.
 *
 * The ways out are: terminal_restore; a signal that kills, which is deadly.c's or, where it asks
 * mote to end, signals.c's; and a stop, after which the shell has the terminal until SIGCONT.
 * SIGSTOP cannot be caught, but shells save their own mode around a job, and SIGCONT comes back
 * here all the same.
 *
 * Only a foreground process may change a terminal's mode: from the background it would break the
 * mode of whoever is in front, and be stopped by SIGTTOU.
 */
#include "api/run/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

/* Written while hooked is 0, read by handlers while it is 1. */
static struct {
    volatile sig_atomic_t hooked;
    int fd;
    struct termios saved;
    struct termios raw;
    struct sigaction stop; /* what was there before us */
    struct sigaction cont;
} terminal;

/* Async-signal-safe, as are the handlers below. */
static bool in_background(int fd)
{
    pid_t front = tcgetpgrp(fd);

    /* Fails where it is not our controlling terminal; then there is no job control on it. */
    return front > 0 && front != getpgrp();
}

static void mode_set(const struct termios *mode)
{
    if (!in_background(terminal.fd))
        (void)tcsetattr(terminal.fd, TCSANOW, mode);
}

void terminal_restore_mode(void)
{
    if (terminal.hooked)
        mode_set(&terminal.saved);
}

void terminal_raw_mode(void)
{
    if (terminal.hooked)
        mode_set(&terminal.raw);
}

static void on_stop(int sig);

static void foreground(void)
{
    /* Resets itself when caught, and is not blocked meanwhile, so that raising it again from the
     * handler stops the process there and then. */
    struct sigaction stop = { .sa_handler = on_stop,
                              .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_RESTART) };

    (void)sigaction(SIGTSTP, &stop, NULL);
    mode_set(&terminal.raw);
}

static void on_stop(int sig)
{
    int errno_before = errno;

    terminal_restore_mode();
    (void)raise(sig);
    foreground();
    errno = errno_before;
}

static void on_continue(int sig)
{
    int errno_before = errno;

    (void)sig;
    foreground();
    errno = errno_before;
}

static void hook(void)
{
    struct sigaction cont = { .sa_handler = on_continue, .sa_flags = SA_RESTART };

    terminal.hooked = 1;
    (void)sigaction(SIGTSTP, NULL, &terminal.stop);
    (void)sigaction(SIGCONT, &cont, &terminal.cont);
}

int terminal_raw(int fd, struct err *e)
{
    struct termios mode;

    if (terminal.hooked || !isatty(fd))
        return 0;
    if (tcgetattr(fd, &mode) < 0)
        return err_sys(e, "the terminal on descriptor %d", fd);
    terminal.fd = fd;
    terminal.saved = mode;
    mode.c_iflag &= (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    mode.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    mode.c_cflag &= (tcflag_t) ~(CSIZE | PARENB);
    mode.c_cflag |= CS8;
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    terminal.raw = mode;
    hook();
    foreground();
    return 0;
}

bool terminal_await(int fd)
{
    if (!in_background(fd))
        return false;
    (void)kill(0, SIGTTIN);
    return !in_background(fd);
}

void terminal_restore(void)
{
    if (!terminal.hooked)
        return;
    (void)sigaction(SIGTSTP, &terminal.stop, NULL);
    (void)sigaction(SIGCONT, &terminal.cont, NULL);
    mode_set(&terminal.saved);
    terminal.hooked = 0;
}
