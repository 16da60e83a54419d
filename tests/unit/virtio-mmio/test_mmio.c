/* The register window: what each offset reads and takes, and which read and take nothing. */
#include "virtio-mmio/mmio.h"

#include <criterion/criterion.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"

static struct vd d;
static struct echo echo;

static void set_up(void)
{
    echo_init(&echo, 2, 128);
    vd_init(&d, LOOP_AUTO);
    vd_plug(&d, &echo.virtio);
}

static void tear_down(void)
{
    vd_finish(&d);
}

TestSuite(mmio, .init = set_up, .fini = tear_down);

static uint64_t read_as(uint32_t offset, unsigned size)
{
    uint64_t value = UINT64_MAX;

    cr_assert(bus_read(&d.bus, VD_WINDOW + offset, &value, size));
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static void write_as(uint32_t offset, uint64_t value, unsigned size)
{
    cr_assert(bus_write(&d.bus, VD_WINDOW + offset, &value, size));
}

Test(mmio, says_who_it_is)
{
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_VERSION), 2);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_ID), ECHO_ID);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_VENDOR_ID), 0x65746f6d);
}

Test(mmio, offers_its_features)
{
    const uint64_t want = UINT64_C(1) << VIRTIO_F_VERSION_1 |
                          UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC |
                          UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX | 1 << 5;

    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_FEATURES), (uint32_t)want);
    vd_write(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_FEATURES), (uint32_t)(want >> 32));
    vd_write(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

Test(mmio, queues_by_their_selector)
{
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_NUM_MAX), 128);
    vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_NUM_MAX), 128);
    for (uint32_t none = 2; none < 0x80000000; none = none << 1 | 1) {
        vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, none);
        cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
        cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_READY), 0);
        for (uint32_t reg = VIRTIO_MMIO_QUEUE_NUM; reg < 0xa8; reg += 4)
            if (reg < VIRTIO_MMIO_QUEUE_NOTIFY || reg > VIRTIO_MMIO_STATUS)
                vd_write(&d, reg, 1);
    }
    cr_assert_eq(echo.virtio.queue[0].ring.size, 0);
    cr_assert_eq(echo.virtio.queue[1].ring.size, 0);
}

Test(mmio, rings_by_halves)
{
    struct virtq *q = &echo.virtio.queue[1].ring;

    vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, 1);
    vd_write(&d, VIRTIO_MMIO_QUEUE_DESC_LOW, 0x11111111);
    vd_write(&d, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0x22222222);
    vd_write(&d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0x44444444);
    vd_write(&d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x33333333);
    vd_write(&d, VIRTIO_MMIO_QUEUE_USED_LOW, 0x55555555);
    vd_write(&d, VIRTIO_MMIO_QUEUE_USED_HIGH, 0x66666666);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, 32);
    cr_assert_eq(q->desc_gpa, 0x2222222211111111);
    cr_assert_eq(q->avail_gpa, 0x4444444433333333);
    cr_assert_eq(q->used_gpa, 0x6666666655555555);
    cr_assert_eq(q->size, 32);
    vd_write(&d, VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
    cr_assert_eq(q->desc_gpa, 0x2222222200000000);
}

Test(mmio, rings_are_fixed_once_ready)
{
    struct virtq before;

    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, 0, 16);
    before = echo.virtio.queue[0].ring;
    for (uint32_t reg = VIRTIO_MMIO_QUEUE_DESC_LOW; reg <= VIRTIO_MMIO_QUEUE_USED_HIGH; reg += 4)
        vd_write(&d, reg, 0x1000);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, 64);
    vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 1);
    cr_assert_eq(memcmp(&before, &echo.virtio.queue[0].ring, sizeof(before)), 0);
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
    vd_settle(&d);
    vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 0);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_READY), 1, "it cannot be stopped alone");
}

Test(mmio, no_shared_memory_and_no_queue_reset)
{
    for (uint32_t id = 0; id < 3; id++) {
        vd_write(&d, VIRTIO_MMIO_SHM_SEL, id);
        for (uint32_t reg = VIRTIO_MMIO_SHM_LEN_LOW; reg <= VIRTIO_MMIO_SHM_BASE_HIGH; reg += 4)
            cr_assert_eq(vd_read(&d, reg), UINT32_MAX);
    }
    vd_write(&d, 0xc0, 1);
    cr_assert_eq(vd_read(&d, 0xc0), 0);
}

Test(mmio, interrupts_are_acknowledged_by_bit)
{
    vd_start(&d, 0);
    virtio_config_update(&echo.virtio, 0, &echo.config.driver, 0);
    echo.virtio.interrupts |= VIRTIO_MMIO_INT_VRING;
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
    vd_write(&d, VIRTIO_MMIO_INTERRUPT_ACK, 0xfffffffe);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
    vd_write(&d, VIRTIO_MMIO_INTERRUPT_ACK, 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

Test(mmio, kicks_of_queues_that_are_not_there)
{
    vd_start(&d, 0);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 2);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 0x10000);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
    vd_settle(&d);
    cr_assert_eq(echo.virtio.counters.kicks, 0);
}

/* Only these may be read; each other word of the registers reads 0. */
Test(mmio, write_only_and_missing_registers_read_nothing)
{
    static const uint32_t readable[] = {
        VIRTIO_MMIO_MAGIC_VALUE,   VIRTIO_MMIO_VERSION,           VIRTIO_MMIO_DEVICE_ID,
        VIRTIO_MMIO_VENDOR_ID,     VIRTIO_MMIO_DEVICE_FEATURES,   VIRTIO_MMIO_QUEUE_NUM_MAX,
        VIRTIO_MMIO_QUEUE_READY,   VIRTIO_MMIO_INTERRUPT_STATUS,  VIRTIO_MMIO_STATUS,
        VIRTIO_MMIO_SHM_LEN_LOW,   VIRTIO_MMIO_SHM_LEN_HIGH,      VIRTIO_MMIO_SHM_BASE_LOW,
        VIRTIO_MMIO_SHM_BASE_HIGH, VIRTIO_MMIO_CONFIG_GENERATION,
    };

    vd_start(&d, 0);
    for (uint32_t reg = 0; reg < VIRTIO_MMIO_CONFIG; reg += 4) {
        bool listed = false;
        for (unsigned i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
            listed |= readable[i] == reg;
        if (!listed)
            cr_assert_eq(vd_read(&d, reg), 0, "%#x", reg);
    }
}

/* 4.2.2.2: registers are 32 bits wide. */
Test(mmio, odd_accesses_to_registers)
{
    static const unsigned sizes[] = { 1, 2, 4, 8 };

    for (uint32_t offset = 0; offset < VIRTIO_MMIO_CONFIG; offset++) {
        for (unsigned i = 0; i < 4; i++) {
            if (sizes[i] == 4 && offset % 4 == 0)
                continue;
            cr_assert_eq(read_as(offset, sizes[i]), 0);
            write_as(offset, 0x0101010101010101, sizes[i]);
        }
    }
    cr_assert_eq(echo.virtio.status.bits, 0);
    cr_assert_eq(echo.virtio.queue_sel, 0);
    cr_assert_eq(echo.config.driver, ECHO_FIRST, "and none reached into the configuration space");
}

Test(mmio, configuration_space_in_every_width)
{
    cr_assert_eq(read_as(VIRTIO_MMIO_CONFIG, 8), 0x2222222211111111);
    cr_assert_eq(read_as(VIRTIO_MMIO_CONFIG + 2, 4), 0x22221111);
    cr_assert_eq(read_as(VIRTIO_MMIO_CONFIG + 3, 2), 0x2211);
    cr_assert_eq(read_as(VIRTIO_MMIO_CONFIG + 7, 1), 0x22);
    cr_assert_eq(read_as(VIRTIO_MMIO_CONFIG + 6, 4), 0x2222, "half of it is there");
    cr_assert_eq(read_as(VIRTIO_MMIO_CONFIG + 8, 8), 0);
    cr_assert_eq(read_as(MMIO_WINDOW_SIZE - 8, 8), 0);
    cr_assert_eq(read_as(MMIO_WINDOW_SIZE - 1, 1), 0);

    write_as(VIRTIO_MMIO_CONFIG, 0xaabbccdd, 4);
    cr_assert_eq(echo.config.driver, 0xaabbccdd);
    write_as(VIRTIO_MMIO_CONFIG + 1, 0x99, 1);
    cr_assert_eq(echo.config.driver, 0xaabb99dd);
    write_as(VIRTIO_MMIO_CONFIG + 2, 0x7788, 2);
    cr_assert_eq(echo.config.driver, 0x778899dd);
}

Test(mmio, configuration_writes_out_of_range)
{
    const struct echo_config before = echo.config;

    write_as(VIRTIO_MMIO_CONFIG + 1, 0, 8);
    write_as(VIRTIO_MMIO_CONFIG + 7, 0, 2);
    write_as(VIRTIO_MMIO_CONFIG + 8, 0, 1);
    write_as(MMIO_WINDOW_SIZE - 8, 0, 8);
    write_as(VIRTIO_MMIO_CONFIG + 4, 0, 4); /* inside, but the device's own */
    cr_assert_eq(memcmp(&before, &echo.config, sizeof(before)), 0);
}

Test(mmio, window_ends_after_a_page)
{
    uint32_t value = 0;

    cr_assert_not(bus_read(&d.bus, VD_WINDOW + MMIO_WINDOW_SIZE, &value, 4));
    cr_assert_not(bus_read(&d.bus, VD_WINDOW + MMIO_WINDOW_SIZE - 2, &value, 4));
}
