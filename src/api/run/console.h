#ifndef API_RUN_CONSOLE_H
#define API_RUN_CONSOLE_H
/*
 * The guest's serial port on two descriptors, usually the operator's stdin and stdout.
 *
 * Each direction moves one buffer at a time. A slow reader makes the guest's transmitter wait, and
 * the console reads no more input until the guest's receiver has taken what was read before. All
 * of it runs on the loop thread, except the sink's two callbacks.
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

/*
 * One direction, which has at most one operation in flight.
 *
 *   IDLE <--> BUSY --> OVER
 *
 * Closing the console also moves an idle input to OVER.
 */
enum console_state {
    CONSOLE_IDLE, /* no operation: no output to write, or input that the guest has no room for */
    CONSOLE_BUSY, /* a read or write is in flight */
    CONSOLE_OVER, /* for good: the input has ended, or the descriptor failed */
};

struct console_in {
    int fd;
    bool keys; /* fd is a terminal, so Ctrl-A and the key after it are mote's */
    struct escape escape;
    enum console_state state;
    struct loop_op op;
    struct loop_post room; /* from the sink: the guest's receiver has room again */
    struct iovec iov;
    size_t at, len; /* buf[at] to buf[len - 1] waits for the guest */
    uint8_t typed[CONSOLE_IN];
    uint8_t buf[CONSOLE_IN + 1];
};

struct console_out {
    int fd;
    enum console_state state;
    struct loop_op op;
    struct loop_post ready; /* from the sink: the guest has sent something */
    struct iovec iov;
    size_t at, len; /* buf[at] to buf[len - 1] waits for the descriptor */
    uint64_t moved; /* bytes written since the start */
    uint8_t buf[CONSOLE_OUT];
};

/* The text of Ctrl-A h on its way to stderr. */
struct console_help {
    bool busy; /* op is in flight */
    struct loop_op op;
    struct iovec iov; /* what is still to be written */
};

struct console {
    struct serial_sink sink; /* first member: its callbacks cast it to the console */
    struct loop *loop;
    struct serial *serial;
    struct power *power;
    struct console_in in;
    struct console_out out;
    struct console_help help;
    struct loop_op patience; /* while closing: a timer */
    bool waiting;            /* patience is in flight */
    uint64_t moved_before;   /* out.moved when patience was last started */
    void (*closed)(struct console *c);
};

/* Call before serial_init, which takes &c->sink. */
void console_init(struct console *c, struct loop *loop, int in, int out);

/* Begins to move bytes. Ctrl-A x ends the machine through `power`. */
void console_start(struct console *c, struct serial *serial, struct power *power);

/* Call once, after the guest has stopped. Reads no more, writes what is left, and then calls
 * `closed` with nothing in flight. A descriptor that takes nothing for a second loses the rest. */
void console_close(struct console *c, void (*closed)(struct console *c));

#endif
