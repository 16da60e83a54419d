/*
 * A 16550A UART without time: a byte is on its way out as soon as it is written, and what waits to
 * come in has already arrived.
 *
 * Transmitter. A driver that got a "transmitter holding register empty" interrupt writes a whole
 * FIFO without looking again, so empty means room for SERIAL_FIFO bytes. After a byte is written
 * the register counts as empty again at the guest's next access that is not another byte, or when
 * the loop thread comes back for more and finds nothing, whichever is first: a burst then brings
 * one interrupt, as it does where a FIFO must drain, and not one a byte. Where there was no room
 * the interrupt comes as soon as serial_output made some.
 *
 * Receiver. The FIFO is the first SERIAL_FIFO bytes of the incoming ring. Fewer than the trigger
 * level would bring their interrupt after a time of silence (character timeout); here they do at
 * once.
 *
 * Interrupt. Its line is an edge, given when a cause comes up, and per cause: a second cause gets
 * its own edge while the first one is pending. Each byte read that leaves another gives one too, as
 * if that one had only now arrived. So a driver may take one thing an interrupt, or leave its
 * handler with more to do (Linux does after so many rounds): it is called again.
 */
#include "core/dev/serial.h"

#include <assert.h>
#include <linux/serial_reg.h>
#include <string.h>

#include "core/vm/irq.h"

#define IER_BITS   (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define IIR_FIFOS  0xc0u
#define MCR_BITS   0x1fu
#define MSR_DELTAS ((unsigned)UART_MSR_ANY_DELTA)

/* The modem on the other side is always there and never rings. */
#define MSR_OUTSIDE (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)

static_assert((SERIAL_TX_SIZE & (SERIAL_TX_SIZE - 1)) == 0, "ring indices are masked");
static_assert((SERIAL_RX_SIZE & (SERIAL_RX_SIZE - 1)) == 0, "ring indices are masked");

static uint32_t tx_count(const struct serial *s)
{
    return s->tx_tail - s->tx_head;
}

static bool thr_empty(const struct serial *s)
{
    return SERIAL_TX_SIZE - tx_count(s) >= SERIAL_FIFO;
}

/* A written transmitter holding register becomes empty, which is an interrupt's cause. */
static void thr_settle(struct serial *s)
{
    if (s->thr_written && thr_empty(s)) {
        s->thr_written = false;
        s->thr_interrupt = true;
    }
}

static uint32_t rx_count(const struct serial *s)
{
    if (s->mcr & UART_MCR_LOOP)
        return s->loop_count;
    if (s->mcr_written && !(s->mcr & UART_MCR_RTS))
        return 0;
    return s->rx_tail - s->rx_head;
}

static uint32_t rx_trigger(const struct serial *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return s->fcr & UART_FCR_ENABLE_FIFO ? levels[s->fcr >> 6] : 1;
}

/* Causes that are up, as bits of the interrupt enable register. */
static uint8_t causes(const struct serial *s)
{
    unsigned up = 0;

    if (rx_count(s))
        up |= UART_IER_RDI;
    if (s->thr_interrupt)
        up |= UART_IER_THRI;
    if (s->overrun)
        up |= UART_IER_RLSI;
    if (s->msr & MSR_DELTAS)
        up |= UART_IER_MSI;
    return (uint8_t)(up & s->ier);
}

/* After anything that may have changed a cause. On a PC the interrupt passes a gate that OUT2
 * opens and that loopback, which disconnects OUT2, shuts. */
static void update_irq(struct serial *s)
{
    uint8_t up = (s->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2 ? causes(s) : 0;

    if (up & ~s->signalled)
        irq_line_raise(s->irq);
    s->signalled = up;
}

/* Drops n bytes from the incoming ring. */
static void rx_drop(struct serial *s, uint32_t n)
{
    s->rx_head += n;
    if (s->input_full && s->rx_tail - s->rx_head <= SERIAL_RX_SIZE / 2) {
        s->input_full = false;
        s->sink->input_room(s->sink);
    }
}

static uint8_t loop_take(struct serial *s)
{
    uint8_t byte = s->loop[0];

    s->loop_count--;
    memmove(s->loop, s->loop + 1, s->loop_count);
    return byte;
}

/* Without FIFOs a byte too many replaces the one that waits, with them it is lost itself. */
static void loop_put(struct serial *s, uint8_t byte)
{
    bool fifo = s->fcr & UART_FCR_ENABLE_FIFO;

    if (s->loop_count < (fifo ? SERIAL_FIFO : 1)) {
        s->loop[s->loop_count++] = byte;
        return;
    }
    s->overrun = true;
    if (!fifo)
        s->loop[0] = byte;
}

static uint8_t rbr_read(struct serial *s)
{
    uint8_t byte;

    if (!rx_count(s))
        return 0;
    s->signalled &= (uint8_t)~UART_IER_RDI;
    if (s->mcr & UART_MCR_LOOP)
        return loop_take(s);
    byte = s->rx[s->rx_head % SERIAL_RX_SIZE];
    s->rx_bytes++;
    rx_drop(s, 1);
    return byte;
}

static void thr_write(struct serial *s, uint8_t byte)
{
    s->thr_written = true;
    s->thr_interrupt = false;
    if (s->mcr & UART_MCR_LOOP) {
        loop_put(s, byte);
        return;
    }
    if (tx_count(s) == SERIAL_TX_SIZE) {
        s->tx_lost++;
        return;
    }
    s->tx[s->tx_tail++ % SERIAL_TX_SIZE] = byte;
    s->tx_bytes++;
    if (tx_count(s) == 1)
        s->sink->output_ready(s->sink);
}

/* Switching the interrupt on while the register is empty brings one at once. */
static void ier_write(struct serial *s, uint8_t value)
{
    uint8_t on = value & (uint8_t)~s->ier;

    s->ier = value & IER_BITS;
    if (on & UART_IER_THRI && thr_empty(s))
        s->thr_interrupt = true;
}

/* The cause of highest priority. Reading clears the transmitter's if that is the one shown. */
static uint8_t iir_read(struct serial *s)
{
    uint8_t up = causes(s);
    uint8_t fifos = s->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFOS : 0;

    if (up & UART_IER_RLSI)
        return fifos | UART_IIR_RLSI;
    if (up & UART_IER_RDI)
        return fifos | (rx_count(s) >= rx_trigger(s) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT);
    if (up & UART_IER_THRI) {
        s->thr_interrupt = false;
        return fifos | UART_IIR_THRI;
    }
    return fifos | (up & UART_IER_MSI ? UART_IIR_MSI : UART_IIR_NO_INT);
}

/* Resetting the receiver drops what is in its FIFO, not what waits behind it. Resetting the
 * transmitter drops nothing: by its own account it had sent everything. Switching the FIFOs on or
 * off resets too, and bits written without UART_FCR_ENABLE_FIFO do not count. */
static void fcr_write(struct serial *s, uint8_t value)
{
    bool switched = (s->fcr ^ value) & UART_FCR_ENABLE_FIFO;
    uint32_t count = rx_count(s);

    s->fcr = value & UART_FCR_ENABLE_FIFO ? value : 0;
    if (!switched && !(s->fcr & UART_FCR_CLEAR_RCVR))
        return;
    if (s->mcr & UART_MCR_LOOP)
        s->loop_count = 0;
    else
        rx_drop(s, count < SERIAL_FIFO ? count : SERIAL_FIFO);
}

/* In loopback the four outputs are the four inputs. */
static unsigned modem_lines(unsigned mcr)
{
    unsigned lines = 0;

    if (!(mcr & UART_MCR_LOOP))
        return MSR_OUTSIDE;
    if (mcr & UART_MCR_RTS)
        lines |= UART_MSR_CTS;
    if (mcr & UART_MCR_DTR)
        lines |= UART_MSR_DSR;
    if (mcr & UART_MCR_OUT1)
        lines |= UART_MSR_RI;
    if (mcr & UART_MCR_OUT2)
        lines |= UART_MSR_DCD;
    return lines;
}

/* The loopback FIFO lives as long as loopback does. The ring indicator counts as changed only when
 * it ends. */
static void mcr_write(struct serial *s, uint8_t value)
{
    unsigned lines = modem_lines(value);
    unsigned deltas = ((s->msr ^ lines) >> 4) & MSR_DELTAS;

    if (lines & UART_MSR_RI)
        deltas &= ~(unsigned)UART_MSR_TERI;
    if ((s->mcr ^ value) & UART_MCR_LOOP)
        s->loop_count = 0;
    s->msr = (uint8_t)(lines | deltas | (s->msr & MSR_DELTAS));
    s->mcr = value & MCR_BITS;
    s->mcr_written = true;
}

static uint8_t lsr_read(struct serial *s)
{
    unsigned lsr = thr_empty(s) ? UART_LSR_THRE | UART_LSR_TEMT : 0;

    if (rx_count(s))
        lsr |= UART_LSR_DR;
    if (s->overrun)
        lsr |= UART_LSR_OE;
    s->overrun = false;
    return (uint8_t)lsr;
}

static uint8_t msr_read(struct serial *s)
{
    uint8_t msr = s->msr;

    s->msr &= (uint8_t)~MSR_DELTAS;
    return msr;
}

/* Offset 0 is the receiver buffer, the transmitter holding register or, with DLAB, the divisor's
 * low byte; offset 1 interrupt enable or its high byte; offset 2 interrupt identification or FIFO
 * control. */

static uint8_t register_read(struct serial *s, uint64_t r)
{
    bool dlab = s->lcr & UART_LCR_DLAB;

    thr_settle(s);
    switch (r) {
    case UART_RX:
        return dlab ? s->dll : rbr_read(s);
    case UART_IER:
        return dlab ? s->dlm : s->ier;
    case UART_IIR:
        return iir_read(s);
    case UART_LCR:
        return s->lcr;
    case UART_MCR:
        return s->mcr;
    case UART_LSR:
        return lsr_read(s);
    case UART_MSR:
        return msr_read(s);
    case UART_SCR:
        return s->scr;
    default:
        return 0xff;
    }
}

static void register_write(struct serial *s, uint64_t r, uint8_t value)
{
    bool dlab = s->lcr & UART_LCR_DLAB;

    if (r == UART_TX && !dlab) {
        thr_write(s, value);
        return;
    }
    thr_settle(s);
    switch (r) {
    case UART_TX:
        s->dll = value;
        break;
    case UART_IER:
        if (dlab)
            s->dlm = value;
        else
            ier_write(s, value);
        break;
    case UART_FCR:
        fcr_write(s, value);
        break;
    case UART_LCR:
        s->lcr = value;
        break;
    case UART_MCR:
        mcr_write(s, value);
        break;
    case UART_SCR:
        s->scr = value;
        break;
    default: /* the status registers are read-only */
        break;
    }
}

/* A wider access is its bytes at consecutive ports, as an ISA bridge splits it. */

static void serial_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct serial *s = (struct serial *)d;
    uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        bytes[i] = register_read(s, offset + i);
    update_irq(s);
}

static void serial_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct serial *s = (struct serial *)d;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        register_write(s, offset + i, bytes[i]);
    update_irq(s);
}

static const struct device_ops serial_ops = {
    .name = "serial",
    .read = serial_read,
    .write = serial_write,
};

void serial_init(struct serial *s, struct irq_line *irq, struct serial_sink *sink)
{
    memset(s, 0, offsetof(struct serial, tx)); /* the rings stay untouched pages */
    device_init(&s->device, &serial_ops);
    s->irq = irq;
    s->sink = sink;
    s->msr = MSR_OUTSIDE;
    s->dll = 12; /* 9600 baud, as firmware leaves it; drivers divide by it */
}

void serial_finish(struct serial *s)
{
    device_finish(&s->device);
}

/* A ring is copied in at most two pieces: up to its end, and on from its beginning. */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t serial_output(struct serial *s, void *to, size_t len)
{
    device_lock(&s->device);
    bool full = !thr_empty(s);
    size_t n = min_size(len, tx_count(s));
    size_t at = s->tx_head % SERIAL_TX_SIZE;
    size_t first = min_size(n, SERIAL_TX_SIZE - at);

    memcpy(to, s->tx + at, first);
    memcpy((uint8_t *)to + first, s->tx, n - first);
    s->tx_head += (uint32_t)n;
    if (full || n == 0)
        thr_settle(s);
    update_irq(s);
    device_unlock(&s->device);
    return n;
}

size_t serial_input(struct serial *s, const void *from, size_t len)
{
    device_lock(&s->device);
    size_t n = min_size(len, SERIAL_RX_SIZE - (s->rx_tail - s->rx_head));
    size_t at = s->rx_tail % SERIAL_RX_SIZE;
    size_t first = min_size(n, SERIAL_RX_SIZE - at);

    memcpy(s->rx + at, from, first);
    memcpy(s->rx, (const uint8_t *)from + first, n - first);
    s->rx_tail += (uint32_t)n;
    if (n < len)
        s->input_full = true;
    update_irq(s);
    device_unlock(&s->device);
    return n;
}
