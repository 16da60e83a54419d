#ifndef CORE_DEV_PIC_H
#define CORE_DEV_PIC_H
/*
 * The PC's pair of interrupt controllers (8259A data sheet) with their edge/level registers, the
 * second one on input 2 of the first. Pure: whoever calls holds the lock.
 *
 * Inputs are pulses (core/vm/irq.h), kept until the processor takes them or a controller is
 * initialised again; the edge/level registers can be written and read and change nothing. A pair
 * that no guest has initialised asks for nothing, and is not told of pulses.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct state_reader;
struct state_writer;

#define PIC_INPUTS 16u

#define PIC_FIRST     0x20u /* ports: command, data */
#define PIC_SECOND    0xa0u
#define PIC_ELCR      0x4d0u /* one register a controller */
#define PIC_PORTS_LEN 2u

/* Which initialisation command word the data port is waiting for. */
enum pic_step {
    PIC_READY,
    PIC_ICW2,
    PIC_ICW3,
    PIC_ICW4,
    PIC_FRESH, /* not initialised since power-on */
};

struct pic_chip {
    uint8_t irr, isr, imr;
    uint8_t elcr;
    uint8_t base;  /* the vector of input 0 */
    uint8_t first; /* the input of the highest priority */
    uint8_t step;  /* enum pic_step */
    bool single;   /* no ICW3 */
    bool wants_icw4;
    bool auto_eoi;
    bool auto_rotate;
    bool nested;    /* special fully nested mode */
    bool unmasking; /* special mask mode */
    bool reads_isr;
    bool polled;
};

struct pic {
    struct pic_chip chip[2];
};

void pic_init(struct pic *p);

/* Whether a guest has begun to initialise it. */
bool pic_in_use(const struct pic *p);

/* `line` below PIC_INPUTS. */
void pic_pulse(struct pic *p, unsigned line);

/* Whether a pulse now would be an interrupt of its own: an input keeps one until it is taken,
 * masked or not, and others fold into that. `line` below PIC_INPUTS. */
bool pic_keeps(const struct pic *p, unsigned line);

/* Whether the pair asks the processor for an interrupt; and the answer, its vector. The processor
 * may answer a request that is gone: that is input 7 of a controller, and nothing is in service. */
bool pic_asks(const struct pic *p);
uint8_t pic_take(struct pic *p);

bool pic_claims(uint16_t port);
uint8_t pic_read(struct pic *p, uint16_t port);
void pic_write(struct pic *p, uint16_t port, uint8_t value);

/* Section "pic". A failed load has changed nothing. */
void pic_save(const struct pic *p, struct state_writer *w);
int pic_load(struct pic *p, struct state_reader *r, struct err *e);

#endif
