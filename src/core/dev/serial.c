/*
 * A 16550A UART on which transmission takes no time: a byte has left as soon as it is written, and
 * input that waits in the ring has already arrived.
 *
 * Transmitter. A driver that gets a "transmitter holding register empty" interrupt writes a whole
 * FIFO without looking again, so "empty" means room for SERIAL_FIFO bytes. After a byte is written,
 * the register counts as empty again at the guest's next access other than the write of another
 * byte, or when the loop thread comes for more output and finds none, whichever is first. So a
 * burst brings one interrupt, as with a FIFO that has to drain, and not one per byte. If the ring
 * has no room, the interrupt comes as soon as serial_output has made some.
 *
 * Receiver. The FIFO is the first SERIAL_FIFO bytes of the incoming ring. In the chip, fewer bytes
 * than the trigger level interrupt only after a time of silence (character timeout); here they do
 * so at once.
 *
 * Interrupt. The line is edge-triggered, and each cause raises it when it comes up, even while
 * another cause is pending. A read that leaves another byte behind raises it too, as if that byte
 * had only now arrived. So a driver may do one thing per interrupt, or return from its handler with
 * work left (as Linux does after a limited number of rounds): its handler is called again.
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

static uint32_t serial_tx_count(const struct serial *s)
{
    return s->tx_tail - s->tx_head;
}

static bool serial_thr_empty(const struct serial *s)
{
    return SERIAL_TX_SIZE - serial_tx_count(s) >= SERIAL_FIFO;
}

/* Lets a written transmitter holding register become empty, which is a cause of an interrupt. */
static void serial_thr_settle(struct serial *s)
{
    if (s->thr_written && serial_thr_empty(s)) {
        s->thr_written = false;
        s->thr_interrupt = true;
    }
}

static uint32_t serial_rx_count(const struct serial *s)
{
    if (s->mcr & UART_MCR_LOOP)
        return s->loop_count;
    if (s->mcr_written && !(s->mcr & UART_MCR_RTS))
        return 0;
    return s->rx_tail - s->rx_head;
}

static uint32_t serial_rx_trigger(const struct serial *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return s->fcr & UART_FCR_ENABLE_FIFO ? levels[s->fcr >> 6] : 1;
}

/* The enabled causes that are up, as bits of the interrupt enable register. */
static uint8_t serial_causes(const struct serial *s)
{
    unsigned up = 0;

    if (serial_rx_count(s))
        up |= UART_IER_RDI;
    if (s->thr_interrupt)
        up |= UART_IER_THRI;
    if (s->overrun)
        up |= UART_IER_RLSI;
    if (s->msr & MSR_DELTAS)
        up |= UART_IER_MSI;
    return (uint8_t)(up & s->ier);
}

/* Call after anything that may have changed a cause. On a PC the interrupt passes a gate that OUT2
 * opens; loopback disconnects OUT2 and so shuts it. */
static void serial_update_irq(struct serial *s)
{
    uint8_t up = (s->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2 ? serial_causes(s) : 0;

    if (up & ~s->signalled)
        irq_line_raise(s->irq);
    s->signalled = up;
}

/* Drops n bytes from the incoming ring. */
static void serial_rx_drop(struct serial *s, uint32_t n)
{
    s->rx_head += n;
    if (s->input_full && s->rx_tail - s->rx_head <= SERIAL_RX_SIZE / 2) {
        s->input_full = false;
        s->sink->input_room(s->sink);
    }
}

static uint8_t serial_loop_take(struct serial *s)
{
    uint8_t byte = s->loop[0];

    s->loop_count--;
    memmove(s->loop, s->loop + 1, s->loop_count);
    return byte;
}

/* On an overrun, the new byte replaces the waiting one where the FIFOs are off, and is lost where
 * they are on. */
static void serial_loop_put(struct serial *s, uint8_t byte)
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

static uint8_t serial_rbr_read(struct serial *s)
{
    uint8_t byte;

    if (!serial_rx_count(s))
        return 0;
    s->signalled &= (uint8_t)~UART_IER_RDI;
    if (s->mcr & UART_MCR_LOOP)
        return serial_loop_take(s);
    byte = s->rx[s->rx_head % SERIAL_RX_SIZE];
    s->rx_bytes++;
    serial_rx_drop(s, 1);
    return byte;
}

static void serial_thr_write(struct serial *s, uint8_t byte)
{
    s->thr_written = true;
    s->thr_interrupt = false;
    if (s->mcr & UART_MCR_LOOP) {
        serial_loop_put(s, byte);
        return;
    }
    if (serial_tx_count(s) == SERIAL_TX_SIZE) {
        s->tx_lost++;
        return;
    }
    s->tx[s->tx_tail++ % SERIAL_TX_SIZE] = byte;
    s->tx_bytes++;
    if (serial_tx_count(s) == 1)
        s->sink->output_ready(s->sink);
}

/* Enabling the transmitter's interrupt while the register is empty brings one at once. */
static void serial_ier_write(struct serial *s, uint8_t value)
{
    uint8_t on = value & (uint8_t)~s->ier;

    s->ier = value & IER_BITS;
    if (on & UART_IER_THRI && serial_thr_empty(s))
        s->thr_interrupt = true;
}

/* Shows the cause of the highest priority. If that is the transmitter's, the read clears it. */
static uint8_t serial_iir_read(struct serial *s)
{
    uint8_t up = serial_causes(s);
    uint8_t fifos = s->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFOS : 0;

    if (up & UART_IER_RLSI)
        return fifos | UART_IIR_RLSI;
    if (up & UART_IER_RDI)
        return fifos |
               (serial_rx_count(s) >= serial_rx_trigger(s) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT);
    if (up & UART_IER_THRI) {
        s->thr_interrupt = false;
        return fifos | UART_IIR_THRI;
    }
    return fifos | (up & UART_IER_MSI ? UART_IIR_MSI : UART_IIR_NO_INT);
}

/* Resetting the receiver drops what is in its FIFO, but not what waits behind that in the ring.
 * Resetting the transmitter drops nothing: it counts as having sent everything. Switching the FIFOs
 * on or off resets them, too. Without UART_FCR_ENABLE_FIFO the other bits are ignored. */
static void serial_fcr_write(struct serial *s, uint8_t value)
{
    bool switched = (s->fcr ^ value) & UART_FCR_ENABLE_FIFO;
    uint32_t count = serial_rx_count(s);

    s->fcr = value & UART_FCR_ENABLE_FIFO ? value : 0;
    if (!switched && !(s->fcr & UART_FCR_CLEAR_RCVR))
        return;
    if (s->mcr & UART_MCR_LOOP)
        s->loop_count = 0;
    else
        serial_rx_drop(s, count < SERIAL_FIFO ? count : SERIAL_FIFO);
}

/* The modem status that a value of MCR gives: in loopback the four outputs feed the four inputs. */
static unsigned serial_modem_lines(unsigned mcr)
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

/* Entering or leaving loopback empties the loopback FIFO. The ring indicator counts as changed only
 * when it goes away (TERI). */
static void serial_mcr_write(struct serial *s, uint8_t value)
{
    unsigned lines = serial_modem_lines(value);
    unsigned deltas = ((s->msr ^ lines) >> 4) & MSR_DELTAS;

    if (lines & UART_MSR_RI)
        deltas &= ~(unsigned)UART_MSR_TERI;
    if ((s->mcr ^ value) & UART_MCR_LOOP)
        s->loop_count = 0;
    s->msr = (uint8_t)(lines | deltas | (s->msr & MSR_DELTAS));
    s->mcr = value & MCR_BITS;
    s->mcr_written = true;
}

static uint8_t serial_lsr_read(struct serial *s)
{
    unsigned lsr = serial_thr_empty(s) ? UART_LSR_THRE | UART_LSR_TEMT : 0;

    if (serial_rx_count(s))
        lsr |= UART_LSR_DR;
    if (s->overrun)
        lsr |= UART_LSR_OE;
    s->overrun = false;
    return (uint8_t)lsr;
}

static uint8_t serial_msr_read(struct serial *s)
{
    uint8_t msr = s->msr;

    s->msr &= (uint8_t)~MSR_DELTAS;
    return msr;
}

/* Offset 0 is the receiver buffer (read), the transmitter holding register (write) or, with DLAB,
 * the divisor's low byte. Offset 1 is interrupt enable or, with DLAB, the divisor's high byte.
 * Offset 2 is interrupt identification (read) or FIFO control (write). */

static uint8_t serial_register_read(struct serial *s, uint64_t r)
{
    bool dlab = s->lcr & UART_LCR_DLAB;

    serial_thr_settle(s);
    switch (r) {
    case UART_RX:
        return dlab ? s->dll : serial_rbr_read(s);
    case UART_IER:
        return dlab ? s->dlm : s->ier;
    case UART_IIR:
        return serial_iir_read(s);
    case UART_LCR:
        return s->lcr;
    case UART_MCR:
        return s->mcr;
    case UART_LSR:
        return serial_lsr_read(s);
    case UART_MSR:
        return serial_msr_read(s);
    case UART_SCR:
        return s->scr;
    default:
        return 0xff;
    }
}

static void serial_register_write(struct serial *s, uint64_t r, uint8_t value)
{
    bool dlab = s->lcr & UART_LCR_DLAB;

    if (r == UART_TX && !dlab) {
        serial_thr_write(s, value);
        return;
    }
    serial_thr_settle(s);
    switch (r) {
    case UART_TX:
        s->dll = value;
        break;
    case UART_IER:
        if (dlab)
            s->dlm = value;
        else
            serial_ier_write(s, value);
        break;
    case UART_FCR:
        serial_fcr_write(s, value);
        break;
    case UART_LCR:
        s->lcr = value;
        break;
    case UART_MCR:
        serial_mcr_write(s, value);
        break;
    case UART_SCR:
        s->scr = value;
        break;
    default: /* the status registers are read-only */
        break;
    }
}

/* A wider access counts as byte accesses to consecutive ports, as an ISA bridge splits it. */

static void serial_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct serial *s = (struct serial *)d;
    uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        bytes[i] = serial_register_read(s, offset + i);
    serial_update_irq(s);
}

static void serial_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct serial *s = (struct serial *)d;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        serial_register_write(s, offset + i, bytes[i]);
    serial_update_irq(s);
}

static const struct device_ops serial_ops = {
    .name = "serial",
    .read = serial_read,
    .write = serial_write,
};

void serial_init(struct serial *s, struct irq_line *irq, struct serial_sink *sink)
{
    memset(s, 0, offsetof(struct serial, tx)); /* the rings' pages stay untouched */
    device_init(&s->device, &serial_ops);
    s->irq = irq;
    s->sink = sink;
    s->msr = MSR_OUTSIDE;
    s->dll = 12; /* 9600 baud, as firmware leaves it; not 0, because drivers divide by it */
}

void serial_finish(struct serial *s)
{
    device_finish(&s->device);
}

/* A ring is copied in at most two pieces: up to its end, then from its beginning. */

static size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t serial_output(struct serial *s, void *to, size_t len)
{
    device_lock(&s->device);
    bool full = !serial_thr_empty(s);
    size_t n = size_min(len, serial_tx_count(s));
    size_t at = s->tx_head % SERIAL_TX_SIZE;
    size_t first = size_min(n, SERIAL_TX_SIZE - at);

    memcpy(to, s->tx + at, first);
    memcpy((uint8_t *)to + first, s->tx, n - first);
    s->tx_head += (uint32_t)n;
    if (full || n == 0)
        serial_thr_settle(s);
    serial_update_irq(s);
    device_unlock(&s->device);
    return n;
}

size_t serial_input(struct serial *s, const void *from, size_t len)
{
    device_lock(&s->device);
    size_t n = size_min(len, SERIAL_RX_SIZE - (s->rx_tail - s->rx_head));
    size_t at = s->rx_tail % SERIAL_RX_SIZE;
    size_t first = size_min(n, SERIAL_RX_SIZE - at);

    memcpy(s->rx + at, from, first);
    memcpy(s->rx, (const uint8_t *)from + first, n - first);
    s->rx_tail += (uint32_t)n;
    if (n < len)
        s->input_full = true;
    serial_update_irq(s);
    device_unlock(&s->device);
    return n;
}
