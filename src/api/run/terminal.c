/*
 * The operator's terminal in raw mode, restored however the process ends.
 *
 * The mode is restored by terminal_restore; by the handlers of deadly.c and signals.c before a
 * signal kills the process; and before SIGTSTP stops it, since the shell then has the terminal
 * until SIGCONT. SIGSTOP cannot be caught, but shells save and restore their own mode around a job,
 * and SIGCONT is handled after it too.
 *
 * Only a foreground process may change the terminal's mode. A background process would break the
 * mode of the one in the foreground, and SIGTTOU would stop it.
 */
#include "api/run/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

/* The signal handlers read fd, saved and raw while hooked is 1; those are written while it is 0. */
static struct {
    volatile sig_atomic_t hooked;
    int fd;
    struct termios saved;
    struct termios raw;
    struct sigaction stop; /* the actions to restore */
    struct sigaction cont;
} terminal;

/* Async-signal-safe, as are the handlers below. */
static bool terminal_in_background(int fd)
{
    pid_t front = tcgetpgrp(fd);

    /* tcgetpgrp fails if this is not the controlling terminal; then there is no job control. */
    return front > 0 && front != getpgrp();
}

static void terminal_set_mode(const struct termios *mode)
{
    if (!terminal_in_background(terminal.fd))
        (void)tcsetattr(terminal.fd, TCSANOW, mode);
}

void terminal_restore_mode(void)
{
    if (terminal.hooked)
        terminal_set_mode(&terminal.saved);
}

void terminal_raw_mode(void)
{
    if (terminal.hooked)
        terminal_set_mode(&terminal.raw);
}

static void terminal_on_stop(int sig);

/* Makes the mode raw, and catches the next SIGTSTP. */
static void terminal_take(void)
{
    /* The action resets itself to the default when the signal is caught, and the handler does not
     * block the signal: so raising it again in the handler stops the process at once. */
    struct sigaction stop = { .sa_handler = terminal_on_stop,
                              .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_RESTART) };

    (void)sigaction(SIGTSTP, &stop, NULL);
    terminal_set_mode(&terminal.raw);
}

static void terminal_on_stop(int sig)
{
    int errno_before = errno;

    terminal_restore_mode();
    (void)raise(sig);
    terminal_take();
    errno = errno_before;
}

static void terminal_on_continue(int sig)
{
    int errno_before = errno;

    (void)sig;
    terminal_take();
    errno = errno_before;
}

static void terminal_hook(void)
{
    struct sigaction cont = { .sa_handler = terminal_on_continue, .sa_flags = SA_RESTART };

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
    terminal_hook();
    terminal_take();
    return 0;
}

bool terminal_await(int fd)
{
    if (!terminal_in_background(fd))
        return false;
    (void)kill(0, SIGTTIN);
    return !terminal_in_background(fd);
}

void terminal_restore(void)
{
    if (!terminal.hooked)
        return;
    (void)sigaction(SIGTSTP, &terminal.stop, NULL);
    (void)sigaction(SIGCONT, &terminal.cont, NULL);
    terminal_set_mode(&terminal.saved);
    terminal.hooked = 0;
}
