/* The UART as drivers use it: detection, both directions, interrupts as edges, flow control. */
#include "core/dev/serial.h"

#include <linux/serial_reg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/vm/irq.h"

#define FIFO_ON      UART_FCR_ENABLE_FIFO
#define READY        (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2)
#define THR_IS_EMPTY (UART_LSR_THRE | UART_LSR_TEMT)

static struct serial uart;
static struct irq_line line;
static struct serial_sink sink;
static unsigned irqs;
static unsigned outputs;
static unsigned rooms;

static void count_irq(struct irq_line *l)
{
    cr_assert_eq(l, &line);
    irqs++;
}

static void count_output(struct serial_sink *s)
{
    cr_assert_eq(s, &sink);
    outputs++;
}

static void count_room(struct serial_sink *s)
{
    cr_assert_eq(s, &sink);
    rooms++;
}

static void setup(void)
{
    irqs = outputs = rooms = 0;
    line.raise = count_irq;
    sink.output_ready = count_output;
    sink.input_room = count_room;
    serial_init(&uart, &line, &sink);
}

static void teardown(void)
{
    serial_finish(&uart);
}

TestSuite(serial, .init = setup, .fini = teardown);

static void access_out(unsigned reg, const void *data, unsigned size)
{
    lock_take(&uart.device.lock);
    uart.device.ops->write(&uart.device, reg, data, size);
    lock_release(&uart.device.lock);
}

static void access_in(unsigned reg, void *data, unsigned size)
{
    lock_take(&uart.device.lock);
    uart.device.ops->read(&uart.device, reg, data, size);
    lock_release(&uart.device.lock);
}

static void out(unsigned reg, uint8_t value)
{
    access_out(reg, &value, 1);
}

static uint8_t in(unsigned reg)
{
    uint8_t value = 0x5a;

    access_in(reg, &value, 1);
    return value;
}

/* How many interrupts came since the last call. */
static unsigned irqs_new(void)
{
    unsigned n = irqs;

    irqs = 0;
    return n;
}

/* As a driver leaves a port it opened. */
static void open_port(uint8_t ier)
{
    out(UART_FCR, FIFO_ON | UART_FCR_TRIGGER_8);
    out(UART_MCR, READY);
    in(UART_MSR);
    out(UART_IER, ier);
    irqs_new();
}

static void send_bytes(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        out(UART_TX, (uint8_t)i);
}

/* As the console does: until there is nothing more. */
static size_t take_all(void)
{
    static uint8_t bytes[SERIAL_TX_SIZE];
    size_t n, all = 0;

    while ((n = serial_output(&uart, bytes, sizeof(bytes))))
        all += n;
    return all;
}

static void feed(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)i;
        cr_assert_eq(serial_input(&uart, &byte, 1), 1);
    }
}

Test(serial, comes_up_idle)
{
    cr_assert_eq(in(UART_IER), 0);
    cr_assert_eq(in(UART_IIR), UART_IIR_NO_INT);
    cr_assert_eq(in(UART_LCR), 0);
    cr_assert_eq(in(UART_MCR), 0);
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY);
    cr_assert_eq(in(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
    cr_assert_eq(in(UART_RX), 0);
    cr_assert_eq(irqs, 0);
}

Test(serial, keeps_what_is_only_stored)
{
    out(UART_SCR, 0xa5);
    cr_assert_eq(in(UART_SCR), 0xa5);
    out(UART_LCR, 0x1b);
    cr_assert_eq(in(UART_LCR), 0x1b);
    out(UART_IER, 0xff);
    cr_assert_eq(in(UART_IER), 0x0f);
    out(UART_MCR, 0xff);
    cr_assert_eq(in(UART_MCR), 0x1f);
    out(UART_LSR, 0);
    out(UART_MSR, 0);
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY);
}

Test(serial, shows_the_divisor_behind_dlab)
{
    out(UART_IER, 5);
    out(UART_LCR, UART_LCR_DLAB);
    cr_assert_eq(in(UART_DLL) | in(UART_DLM) << 8, 12);
    out(UART_DLL, 0x34);
    out(UART_DLM, 0x12);
    cr_assert_eq(in(UART_DLL), 0x34);
    cr_assert_eq(in(UART_DLM), 0x12);
    out(UART_LCR, 0);
    cr_assert_eq(in(UART_IER), 5);
    cr_assert_eq(take_all(), 0, "a divisor is not sent");
}

Test(serial, takes_fifo_bits_only_with_the_enable_bit)
{
    out(UART_FCR, UART_FCR_TRIGGER_14);
    cr_assert_eq(in(UART_IIR)&0xc0, 0);
    out(UART_FCR, FIFO_ON);
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_NO_INT);
    out(UART_FCR, 0);
    cr_assert_eq(in(UART_IIR), UART_IIR_NO_INT);
}

/* The questions by which Linux tells UARTs apart: modem loopback, then identification bits, then
 * registers that other families have at the same place, then the FIFO's depth. */
Test(serial, is_detected_as_16550a)
{
    unsigned depth = 0;

    out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
    cr_assert_eq(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
    out(UART_MCR, 0);
    out(UART_FCR, FIFO_ON);
    cr_assert_eq(in(UART_IIR) >> 6, 3);
    for (unsigned lcr = UART_LCR_CONF_MODE_A; lcr <= UART_LCR_CONF_MODE_B; lcr++) {
        out(UART_LCR, (uint8_t)lcr);
        cr_assert_neq(in(UART_EFR), 0, "no enhanced feature register behind LCR %#x", lcr);
    }
    out(UART_LCR, 0);
    out(UART_FCR, FIFO_ON | UART_FCR7_64BYTE);
    cr_assert_eq(in(UART_IIR) >> 5, 6, "no 64-byte FIFO");

    out(UART_FCR, FIFO_ON | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
    out(UART_MCR, UART_MCR_LOOP);
    send_bytes(256);
    for (; in(UART_LSR)&UART_LSR_DR; depth++)
        cr_assert_eq(in(UART_RX), depth);
    cr_assert_eq(depth, 16);
    cr_assert_eq(take_all(), 0, "loopback sends nothing out");
}

Test(serial, sends_in_order_and_says_so_once)
{
    uint8_t to[8] = { 0 };

    send_bytes(5);
    cr_assert_eq(outputs, 1);
    cr_assert_eq(serial_output(&uart, to, 3), 3);
    out(UART_TX, 0x77);
    cr_assert_eq(outputs, 1, "the ring was not empty in between");
    cr_assert_eq(serial_output(&uart, to + 3, 5), 3);
    cr_assert_arr_eq(to, ((uint8_t[]){ 0, 1, 2, 3, 4, 0x77, 0, 0 }), 8);
    cr_assert_eq(serial_output(&uart, to, 8), 0);
    send_bytes(1);
    cr_assert_eq(outputs, 2);
    cr_assert_eq(uart.tx_bytes, 7);
}

Test(serial, interrupts_when_enabled_while_empty)
{
    open_port(0);
    for (unsigned i = 0; i < 2; i++) {
        out(UART_IER, UART_IER_THRI);
        cr_assert_eq(irqs_new(), 1);
        cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
        cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_NO_INT, "reading took it back");
        out(UART_IER, 0);
    }
    cr_assert_eq(irqs_new(), 0);
}

Test(serial, brings_one_interrupt_a_burst)
{
    uint8_t to[64];

    open_port(UART_IER_THRI);
    in(UART_IIR);
    for (unsigned i = 0; i < 16; i++) {
        send_bytes(1);
        cr_assert_eq(serial_output(&uart, to, sizeof(to)), 1);
    }
    cr_assert_eq(irqs_new(), 0, "nothing while the burst goes on");
    cr_assert_eq(serial_output(&uart, to, sizeof(to)), 0);
    cr_assert_eq(irqs_new(), 1);
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
}

/* A driver that answers each interrupt with one byte and never looks at IIR. */
Test(serial, brings_an_interrupt_a_byte_without_iir)
{
    open_port(UART_IER_THRI);
    for (unsigned i = 0; i < 100; i++) {
        out(UART_TX, (uint8_t)i);
        cr_assert_eq(take_all(), 1);
        cr_assert_eq(irqs_new(), 1);
    }
}

/* A driver's handler gives up after so many rounds and leaves the rest to the next interrupt. */
Test(serial, calls_again_a_handler_that_left_early)
{
    open_port(UART_IER_THRI);
    in(UART_IIR);
    send_bytes(16);
    cr_assert_eq(in(UART_LSR)&UART_LSR_THRE, UART_LSR_THRE);
    cr_assert_eq(irqs_new(), 1);
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
}

Test(serial, holds_the_guest_while_the_ring_is_full)
{
    uint8_t to[SERIAL_FIFO];

    open_port(UART_IER_THRI);
    in(UART_IIR);
    send_bytes(SERIAL_TX_SIZE - SERIAL_FIFO);
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY, "a whole FIFO fits");
    in(UART_IIR);
    irqs_new();
    send_bytes(1);
    cr_assert_eq(in(UART_LSR), 0, "one byte less than a FIFO's room");
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_NO_INT);
    out(UART_IER, 0);
    out(UART_IER, UART_IER_THRI);
    cr_assert_eq(irqs_new(), 0, "not empty: switching on brings nothing");

    send_bytes(SERIAL_FIFO);
    cr_assert_eq(uart.tx_lost, 1);
    cr_assert_eq(serial_output(&uart, to, 15), 15);
    cr_assert_eq(irqs_new(), 0);
    cr_assert_eq(serial_output(&uart, to, 1), 1);
    cr_assert_eq(irqs_new(), 1);
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY);
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
    cr_assert_eq(uart.tx_bytes, SERIAL_TX_SIZE);
}

/* One interrupt of a driver that works in rounds of a FIFO and gives up after some, as Linux's. */
static void driver_interrupt(uint32_t *sent, uint32_t total)
{
    for (unsigned rounds = 0; rounds < 100 && !(in(UART_IIR)&UART_IIR_NO_INT); rounds++) {
        if (!(in(UART_LSR)&UART_LSR_THRE))
            continue;
        for (unsigned i = 0; i < 16 && *sent < total; i++, (*sent)++)
            out(UART_TX, (uint8_t)(*sent * 7));
        if (*sent == total)
            out(UART_IER, 0);
    }
}

Test(serial, loses_nothing_at_any_speed)
{
    enum { TOTAL = 1000003 };
    static uint8_t to[30011];
    uint32_t sent = 0, got = 0, idle = 0;

    open_port(UART_IER_THRI);
    srand(1);
    irqs = 1;
    while (got < TOTAL) {
        if (irqs_new())
            driver_interrupt(&sent, TOTAL);
        size_t n = serial_output(&uart, to, (size_t)rand() % sizeof(to));
        for (size_t i = 0; i < n; i++, got++)
            cr_assert_eq(to[i], (uint8_t)(got * 7), "byte %u", got);
        idle = n ? 0 : idle + 1;
        cr_assert_lt(idle, 100, "nothing moves after %u of %u bytes", got, sent);
    }
    cr_assert_eq(sent, TOTAL);
    cr_assert_eq(uart.tx_lost, 0);
}

Test(serial, receives_in_order)
{
    open_port(0);
    cr_assert_eq(serial_input(&uart, "abc", 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(in(UART_LSR), THR_IS_EMPTY | UART_LSR_DR);
        cr_assert_eq(in(UART_RX), 'a' + i);
    }
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY);
    cr_assert_eq(uart.rx_bytes, 3);
    cr_assert_eq(irqs, 0);
}

Test(serial, tells_received_data_from_timeout_by_the_trigger_level)
{
    static const struct {
        uint8_t fcr;
        unsigned level;
    } triggers[] = {
        { UART_FCR_TRIGGER_1, 1 },
        { UART_FCR_TRIGGER_4, 4 },
        { UART_FCR_TRIGGER_8, 8 },
        { UART_FCR_TRIGGER_14, 14 },
    };

    open_port(UART_IER_RDI);
    for (unsigned i = 0; i < 4; i++) {
        out(UART_FCR, FIFO_ON | UART_FCR_CLEAR_RCVR | triggers[i].fcr);
        for (unsigned n = 1; n <= 16; n++) {
            feed(1);
            cr_assert_eq(in(UART_IIR)&UART_IIR_ID & ~UART_IIR_NO_INT,
                         n < triggers[i].level ? UART_IIR_RX_TIMEOUT : UART_IIR_RDI);
        }
    }
}

Test(serial, signals_again_for_each_byte_left)
{
    for (unsigned fcr = 0; fcr <= FIFO_ON; fcr++) {
        open_port(UART_IER_RDI);
        out(UART_FCR, (uint8_t)fcr);
        feed(3);
        cr_assert_eq(irqs_new(), 1);
        in(UART_RX);
        cr_assert_eq(irqs_new(), 1);
        in(UART_RX);
        in(UART_RX);
        cr_assert_eq(irqs_new(), 1, "the last read leaves nothing");
    }
}

Test(serial, gives_a_second_cause_its_own_edge)
{
    open_port(UART_IER_RDI | UART_IER_THRI);
    in(UART_IIR);
    feed(1);
    cr_assert_eq(irqs_new(), 1);
    send_bytes(1);
    take_all();
    cr_assert_eq(irqs_new(), 1, "received data is still pending");
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
    in(UART_RX);
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
}

Test(serial, shows_causes_by_priority)
{
    out(UART_IER, 0x0f);
    out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
    send_bytes(2); /* one too many without FIFOs */
    cr_assert_eq(in(UART_IIR), UART_IIR_RLSI);
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY | UART_LSR_DR | UART_LSR_OE);
    cr_assert_eq(in(UART_LSR), THR_IS_EMPTY | UART_LSR_DR, "reading clears the overrun");
    cr_assert_eq(in(UART_IIR), UART_IIR_RDI);
    cr_assert_eq(in(UART_RX), 1, "the second byte replaced the first");
    cr_assert_eq(in(UART_IIR), UART_IIR_THRI);
    cr_assert_eq(in(UART_IIR), UART_IIR_MSI);
    in(UART_MSR);
    cr_assert_eq(in(UART_IIR), UART_IIR_NO_INT);
    cr_assert_eq(irqs, 0, "in loopback OUT2 does not reach the interrupt's gate");
}

Test(serial, interrupts_only_through_out2)
{
    out(UART_IER, UART_IER_THRI);
    cr_assert_eq(irqs_new(), 0);
    out(UART_MCR, UART_MCR_OUT2);
    cr_assert_eq(irqs_new(), 1, "what was pending comes when the gate opens");
    out(UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
    out(UART_MCR, UART_MCR_OUT2);
    cr_assert_eq(irqs_new(), 1);
}

Test(serial, reports_modem_changes_in_loopback)
{
    out(UART_MCR, UART_MCR_LOOP);
    cr_assert_eq(in(UART_MSR), UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
    cr_assert_eq(in(UART_MSR), 0);
    out(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_OUT1);
    cr_assert_eq(in(UART_MSR), UART_MSR_DSR | UART_MSR_RI | UART_MSR_DDSR, "a ring begins");
    out(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
    cr_assert_eq(in(UART_MSR), UART_MSR_DSR | UART_MSR_TERI, "a ring ended");
    out(UART_MCR, 0);
    cr_assert_eq(in(UART_MSR),
                 UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS | UART_MSR_DDCD | UART_MSR_DCTS);
}

Test(serial, keeps_the_wire_out_of_loopback)
{
    open_port(UART_IER_RDI);
    feed(2);
    out(UART_MCR, READY | UART_MCR_LOOP);
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, 0);
    out(UART_TX, 0x42);
    out(UART_FCR, FIFO_ON | UART_FCR_CLEAR_RCVR);
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, 0);
    out(UART_TX, 0x43);
    out(UART_MCR, READY);
    cr_assert_eq(in(UART_RX), 0);
    cr_assert_eq(in(UART_RX), 1);
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, 0, "loopback's byte went with loopback");
}

/* What Linux does to a port before somebody reads from it; each read of RX is blind. */
Test(serial, keeps_early_input_for_a_driver_that_starts)
{
    cr_assert_eq(serial_input(&uart, "poweroff\n", 9), 9);

    out(UART_MCR, 0);
    for (unsigned i = 0; i < 2; i++) {
        out(UART_FCR, FIFO_ON);
        out(UART_FCR, FIFO_ON | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
        out(UART_FCR, 0);
        cr_assert_eq(in(UART_LSR), THR_IS_EMPTY);
        cr_assert_eq(in(UART_RX), 0);
        out(UART_MCR, UART_MCR_DTR | UART_MCR_OUT2);
    }
    out(UART_IER, UART_IER_RDI | UART_IER_RLSI);
    out(UART_FCR, FIFO_ON | UART_FCR_TRIGGER_8);
    cr_assert_eq(irqs_new(), 0);
    out(UART_MCR, READY);
    cr_assert_eq(irqs_new(), 1);
    for (unsigned i = 0; i < 9; i++)
        cr_assert_eq(in(UART_RX), "poweroff\n"[i]);
}

Test(serial, holds_input_back_while_rts_is_down)
{
    open_port(UART_IER_RDI);
    feed(2);
    cr_assert_eq(irqs_new(), 1);
    in(UART_RX);
    out(UART_MCR, READY & ~UART_MCR_RTS);
    irqs_new();
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, 0);
    cr_assert_eq(in(UART_IIR), 0xc0 | UART_IIR_NO_INT);
    feed(1);
    cr_assert_eq(irqs_new(), 0);
    out(UART_MCR, READY);
    cr_assert_eq(irqs_new(), 1);
    cr_assert_eq(in(UART_RX), 1);
}

Test(serial, gives_input_to_a_guest_that_knows_no_modem_control)
{
    feed(1);
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR);
}

Test(serial, drops_one_fifo_when_the_receiver_is_reset)
{
    open_port(0);
    feed(20);
    out(UART_FCR, FIFO_ON | UART_FCR_CLEAR_RCVR);
    cr_assert_eq(in(UART_RX), 16);
    out(UART_FCR, 0);
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, 0, "turning the FIFOs off resets them");
    feed(1);
    out(UART_FCR, UART_FCR_CLEAR_RCVR);
    cr_assert_eq(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR, "no reset without the enable bit");
}

Test(serial, asks_for_more_input_at_half)
{
    static uint8_t from[SERIAL_RX_SIZE + 100];

    open_port(0);
    cr_assert_eq(serial_input(&uart, from, SERIAL_RX_SIZE), SERIAL_RX_SIZE);
    in(UART_RX);
    cr_assert_eq(serial_input(&uart, from, 100), 1);
    for (unsigned i = 0; i < SERIAL_RX_SIZE / 2 - 1; i++)
        in(UART_RX);
    cr_assert_eq(rooms, 0);
    in(UART_RX);
    cr_assert_eq(rooms, 1);
    while (in(UART_LSR)&UART_LSR_DR)
        in(UART_RX);
    cr_assert_eq(rooms, 1, "once, until input is refused again");
}

Test(serial, wraps_its_incoming_ring)
{
    static uint8_t from[1000];
    uint32_t fed = 0, got = 0;

    open_port(0);
    while (got < 20000) {
        for (unsigned i = 0; i < sizeof(from); i++)
            from[i] = (uint8_t)((fed + i) * 5);
        fed += (uint32_t)serial_input(&uart, from, sizeof(from));
        for (unsigned i = 0; i < 777; i++, got++)
            cr_assert_eq(in(UART_RX), (uint8_t)(got * 5), "byte %u", got);
    }
}

Test(serial, splits_a_wide_access_into_its_ports)
{
    uint8_t four[4] = { 0x11, 0x01, FIFO_ON, 0x03 };
    uint8_t to[4];

    access_out(UART_TX, four, 4);
    cr_assert_eq(serial_output(&uart, to, 4), 1);
    cr_assert_eq(to[0], 0x11);
    cr_assert_eq(in(UART_IER), 1);
    cr_assert_eq(in(UART_LCR), 3);

    feed(1);
    memset(four, 0xee, 4);
    access_in(UART_LCR, four, 2);
    cr_assert_arr_eq(four, ((uint8_t[]){ 3, 0, 0xee, 0xee }), 4);
    access_in(UART_RX, four, 4);
    cr_assert_arr_eq(four, ((uint8_t[]){ 0, 1, 0xc0 | UART_IIR_NO_INT, 3 }), 4);
    cr_assert_eq(uart.rx_bytes, 1, "the low byte was the receiver buffer");

    uint8_t all[8];
    access_in(0, all, 8);
    cr_assert_eq(all[UART_LSR], THR_IS_EMPTY);
}
