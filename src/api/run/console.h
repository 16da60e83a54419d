#ifndef API_RUN_CONSOLE_H
#define API_RUN_CONSOLE_H
/*
 * The guest's serial port on two descriptors, usually the operator's stdin and stdout.
 *
 * Both directions move one buffer at a time and wait where the other side does: the guest's
 * transmitter waits for a slow reader, and nothing is read before the guest's receiver takes it.
 * Loop thread throughout, but for the sink's two calls.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "api/run/escape.h"
#include "core/dev/serial.h"
#include "core/loop/loop.h"

struct power;

#define CONSOLE_IN  4096u /* bytes moved at a time */
#define CONSOLE_OUT 16384u

/* One direction: at most one operation under way. */
enum console_state {
    CONSOLE_IDLE, /* nothing to move */
    CONSOLE_BUSY, /* an operation is under way */
    CONSOLE_OVER, /* end of input, or a descriptor that failed: for good */
};

struct console_in {
    int fd;
    bool keys; /* a terminal: Ctrl-A is ours */
    struct escape escape;
    enum console_state state;
    struct loop_op op;
    struct loop_post room; /* the guest's receiver has room again */
    struct iovec iov;
    size_t at, len; /* of what waits in buf for the guest */
    uint8_t typed[CONSOLE_IN];
    uint8_t buf[CONSOLE_IN + 1];
};

struct console_out {
    int fd;
    enum console_state state;
    struct loop_op op;
    struct loop_post ready; /* the guest's transmitter has something */
    struct iovec iov;
    size_t at, len; /* of what waits in buf for the descriptor */
    uint64_t moved; /* bytes, ever */
    uint8_t buf[CONSOLE_OUT];
};

/* The keys, told to the operator on stderr. */
struct console_help {
    bool busy; /* op is under way */
    struct loop_op op;
    struct iovec iov; /* what is still to be written */
};

struct console {
    struct serial_sink sink; /* first member: the serial port's struct serial_sink * is this */
    struct loop *loop;
    struct serial *serial;
    struct power *power;
    struct console_in in;
    struct console_out out;
    struct console_help help;
    struct loop_op patience; /* while closing: a timer */
    bool waiting;            /* patience is under way */
    uint64_t moved_before;   /* out.moved when patience last began */
    void (*closed)(struct console *c);
};

/* Before the serial port exists, which gets &c->sink. */
void console_init(struct console *c, struct loop *loop, int in, int out);

/* Begins to move bytes. Ctrl-A x ends the machine through `power`. */
void console_start(struct console *c, struct serial *serial, struct power *power);

/* Once, with the guest stopped: reads no more, writes what is left for as long as somebody takes
 * it, then calls `closed`, from which on nothing is under way. A descriptor that takes nothing for
 * a second loses the rest. */
void console_close(struct console *c, void (*closed)(struct console *c));

#endif
