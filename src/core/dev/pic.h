#ifndef CORE_DEV_PIC_H
#define CORE_DEV_PIC_H
/*
 * The PC's pair of 8259A interrupt controllers (data sheet) with their edge/level control registers
 * (ELCR). The second controller drives input 2 of the first. Pure: the caller does the locking.
 *
 * Inputs are edge-triggered: the caller pulses them (core/vm/irq.h). A controller keeps a pulse
 * until the processor takes the interrupt or the guest initialises the controller again. The ELCRs
 * can be written and read back but have no effect. A controller that no guest has initialised drops
 * pulses and requests nothing.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct state_reader;
struct state_writer;

#define PIC_INPUTS 16u

#define PIC_FIRST     0x20u /* ports: command, data */
#define PIC_SECOND    0xa0u
#define PIC_ELCR      0x4d0u /* one register for each controller */
#define PIC_PORTS_LEN 2u

/* The initialisation command word that the data port expects next. */
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
    bool single;   /* no ICW3 follows ICW2 */
    bool wants_icw4;
    bool auto_eoi;
    bool auto_rotate;
    bool nested;    /* special fully nested mode */
    bool unmasking; /* special mask mode */
    bool reads_isr; /* the command port reads as ISR, not IRR */
    bool polled;    /* a poll command was given: the next read acknowledges */
};

struct pic {
    struct pic_chip chip[2];
};

void pic_init(struct pic *p);

/* Whether a guest has begun to initialise the first controller. */
bool pic_in_use(const struct pic *p);

/* In pic_pulse and pic_keeps, `line` is an input below PIC_INPUTS. */

void pic_pulse(struct pic *p, unsigned line);

/* Whether a pulse now would become an interrupt of its own. An input, masked or not, keeps one
 * pulse until the interrupt is taken; further pulses merge with that one. */
bool pic_keeps(const struct pic *p, unsigned line);

/* Whether the pair requests an interrupt. */
bool pic_asks(const struct pic *p);

/* The processor acknowledges the request. Returns the interrupt's vector. If the request has gone
 * meanwhile, the interrupt is spurious: the vector is that of input 7, which does not go into
 * service. */
uint8_t pic_take(struct pic *p);

bool pic_claims(uint16_t port);
uint8_t pic_read(struct pic *p, uint16_t port);
void pic_write(struct pic *p, uint16_t port, uint8_t value);

/* The snapshot section is "pic". A load that fails changes nothing. */
void pic_save(const struct pic *p, struct state_writer *w);
int pic_load(struct pic *p, struct state_reader *r, struct err *e);

#endif
