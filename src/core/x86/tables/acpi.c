/*
 * The ACPI tables: no more fixed hardware than a PC must have, and the rest in the DSDT.
 *
 *   RSDP -> XSDT -> FADT -> FACS
 *                        -> DSDT
 *                -> MADT
 *
 * The machine says that it is "hardware-reduced" (ACPI 6.5, 4.1) unless the guest needs to hear of
 * the 8259 (legacy.h). A guest that takes it for reduced powers off by the sleep control, any other
 * by the PM1 control.
 *
 * The tables do not announce the clock at port 0x70: NO_CMOS_RTC is set. Linux still reads the
 * clock if it has no better one. Without the flag, Linux's RTC driver would take interrupt 8, and
 * the fourth virtio device would fail with EBUSY (seen with Linux 6.1). The driver would also set
 * the guest's time from this clock, which is right only to half a second, even if the guest knew
 * the time better.
 *
 * The structures name their fields as the specification does. They are packed: table offsets are
 * the specification's, not the compiler's.
 */
#include "core/x86/tables/acpi.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/base/err.h"
#include "core/dev/acpi_pm.h"
#include "core/dev/cmos.h"
#include "core/vm/accel.h"
#include "core/x86/layout.h"
#include "core/x86/tables/checksum.h"
#include "core/x86/tables/reset_vector.h"

#define PACKED __attribute__((packed))

/* 5.2.6 */
struct header {
    char signature[4];
    uint32_t length; /* of the whole table */
    uint8_t revision;
    uint8_t checksum; /* all bytes of the table add up to zero */
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} PACKED;

static_assert(sizeof(struct header) == 36, "5.2.6");

/* 5.2.5.3 */
struct rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes, which are all that revision 0 had */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_address;
    uint32_t length;
    uint64_t xsdt_address;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} PACKED;

#define RSDP_REVISION0 20u /* bytes */

static_assert(sizeof(struct rsdp) == 36, "5.2.5.3");
static_assert(offsetof(struct rsdp, length) == RSDP_REVISION0, "5.2.5.3");

/* 5.2.8 */
struct xsdt {
    struct header header;
    uint64_t entry[2];
} PACKED;

static_assert(sizeof(struct xsdt) == 52, "5.2.8");

/* 5.2.3.2 */
struct generic_address {
    uint8_t address_space_id;
    uint8_t register_bit_width;
    uint8_t register_bit_offset;
    uint8_t access_size;
    uint64_t address;
} PACKED;

#define ADDRESS_SYSTEM_IO 1u
#define ACCESS_BYTE       1u
#define ACCESS_WORD       2u

/* 5.2.9. A name with _to_ in it stands for a run of fields about hardware that is not there. */
struct fadt {
    struct header header;
    uint32_t firmware_ctrl;
    uint32_t dsdt;
    uint8_t int_model;
    uint8_t preferred_pm_profile;
    uint16_t sci_int;
    uint8_t smi_cmd_to_s4bios_req[8]; /* zero: ACPI mode is always on */
    uint32_t pm1a_evt_blk;
    uint32_t pm1b_evt_blk;
    uint32_t pm1a_cnt_blk;
    uint32_t pm1b_cnt_blk_to_gpe1_blk[5];
    uint8_t pm1_evt_len;
    uint8_t pm1_cnt_len;
    uint8_t pm2_cnt_len_to_cst_cnt[6];
    uint16_t p_lvl2_lat;
    uint16_t p_lvl3_lat;
    uint8_t flush_size_to_mon_alrm[8];
    uint8_t century;
    uint16_t iapc_boot_arch;
    uint8_t reserved;
    uint32_t flags;
    struct generic_address reset_reg;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_version;
    uint64_t x_firmware_ctrl;
    uint64_t x_dsdt;
    struct generic_address x_pm1a_evt_blk;
    struct generic_address x_pm1b_evt_blk;
    struct generic_address x_pm1a_cnt_blk;
    struct generic_address x_pm1b_cnt_blk_to_x_gpe1_blk[5];
    struct generic_address sleep_control_reg;
    struct generic_address sleep_status_reg;
    uint64_t hypervisor_vendor_identity;
} PACKED;

static_assert(offsetof(struct fadt, pm1a_evt_blk) == 56, "5.2.9");
static_assert(offsetof(struct fadt, pm1_evt_len) == 88, "5.2.9");
static_assert(offsetof(struct fadt, p_lvl2_lat) == 96, "5.2.9");
static_assert(offsetof(struct fadt, iapc_boot_arch) == 109, "5.2.9");
static_assert(offsetof(struct fadt, x_pm1a_cnt_blk) == 172, "5.2.9");
static_assert(offsetof(struct fadt, reset_reg) == 116, "5.2.9");
static_assert(offsetof(struct fadt, x_dsdt) == 140, "5.2.9");
static_assert(offsetof(struct fadt, sleep_control_reg) == 244, "5.2.9");
static_assert(sizeof(struct fadt) == 276, "5.2.9");

#define FADT_WBINVD        (1u << 0)
#define FADT_PROC_C1       (1u << 2)
#define FADT_PWR_BUTTON    (1u << 4) /* no fixed power button */
#define FADT_SLP_BUTTON    (1u << 5) /* no fixed sleep button */
#define FADT_FIX_RTC       (1u << 6) /* no fixed bit for a wake-up by the clock */
#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED    (1u << 20)

/* Latencies in us. One above 100 (C2) or 1000 (C3) says that there is no such state. */
#define NO_C2 101u
#define NO_C3 1001u

#define IAPC_LEGACY_DEVICES (1u << 0) /* the serial port */
#define IAPC_8042           (1u << 1)
#define IAPC_NO_VGA         (1u << 2)
#define IAPC_NO_CMOS_RTC    (1u << 5)

/* 5.2.10 */
struct facs {
    char signature[4];
    uint32_t length;
    uint32_t hardware_signature;
    uint32_t firmware_waking_vector;
    uint32_t global_lock;
    uint32_t flags;
    uint64_t x_firmware_waking_vector;
    uint8_t version;
    uint8_t reserved[31];
} PACKED;

static_assert(sizeof(struct facs) == 64, "5.2.10");

#define FACS_ALIGN 64u

/* 5.2.12.2 */
struct local_apic {
    uint8_t type; /* 0 */
    uint8_t length;
    uint8_t acpi_processor_uid;
    uint8_t apic_id;
    uint32_t flags;
} PACKED;

#define LOCAL_APIC_ENABLED 1u

/* 5.2.12.3 */
struct io_apic {
    uint8_t type; /* 1 */
    uint8_t length;
    uint8_t io_apic_id;
    uint8_t reserved;
    uint32_t io_apic_address;
    uint32_t global_system_interrupt_base;
} PACKED;

/* 5.2.12.7 */
struct local_apic_nmi {
    uint8_t type; /* 4 */
    uint8_t length;
    uint8_t acpi_processor_uid;
    uint16_t flags;
    uint8_t local_apic_lint;
} PACKED;

#define EVERY_PROCESSOR 0xffu

#define MADT_PCAT_COMPAT (1u << 0) /* a pair of 8259 */

/* 5.2.12. There are no interrupt source overrides: every ISA interrupt, even the timer's, is wired
 * one to one, edge-triggered and active-high. */
struct madt {
    struct header header;
    uint32_t local_interrupt_controller_address;
    uint32_t flags;
    struct io_apic io_apic;
    struct local_apic_nmi nmi;
    struct local_apic local_apic[VCPUS_MAX];
} PACKED;

static_assert(sizeof(struct local_apic) == 8, "5.2.12.2");
static_assert(sizeof(struct io_apic) == 12, "5.2.12.3");
static_assert(sizeof(struct local_apic_nmi) == 6, "5.2.12.7");
static_assert(offsetof(struct madt, local_apic) == 44 + 12 + 6, "5.2.12");
static_assert(VCPUS_MAX < EVERY_PROCESSOR, "APIC ids are bytes, and 0xff is all of them");

#define OEM_ID "MOTE  "

#define TABLE_ALIGN 16u

/* The range of guest memory that is filled with tables. */
struct area {
    uint8_t *to;
    gpa_t gpa;   /* the guest physical address of `to` */
    size_t size; /* a multiple of TABLE_ALIGN, as the tables' places are */
    size_t len;  /* bytes taken */
    bool full;   /* a table did not fit */
};

static struct header acpi_header(const char *signature, uint8_t revision, size_t len)
{
    struct header h = {
        .length = (uint32_t)len,
        .revision = revision,
        .oem_id = OEM_ID,
        .oem_table_id = "MICROVM ",
        .oem_revision = 1,
        .creator_id = "MOTE",
        .creator_revision = 1,
    };

    memcpy(h.signature, signature, sizeof(h.signature));
    return h;
}

/* Appends a table of `len` bytes, header included, and fills in its checksum. The caller may have
 * built it in its place already. Returns the table's address, or 0 if it does not fit. */
static gpa_t acpi_area_put(struct area *a, const void *table, size_t len)
{
    uint8_t *to = a->to + a->len;
    gpa_t gpa = a->gpa + a->len;

    if (a->full || a->size - a->len < len) {
        a->full = true;
        return 0;
    }
    memmove(to, table, len);
    to[offsetof(struct header, checksum)] = table_checksum(to, len);
    a->len += (len + TABLE_ALIGN - 1) & ~(size_t)(TABLE_ALIGN - 1);
    return gpa;
}

/* The AML is long and therefore written directly to its place. */
static gpa_t acpi_put_dsdt(struct area *a, const struct acpi_config *config)
{
    uint8_t *table = a->to + a->len;
    size_t room = a->size - a->len;
    struct header h;
    size_t aml = 0;

    if (room > sizeof(h))
        aml = dsdt_aml(config->virtio, config->virtio_count, table + sizeof(h), room - sizeof(h));
    if (!aml) {
        a->full = true;
        return 0;
    }
    h = acpi_header("DSDT", 2, sizeof(h) + aml);
    memcpy(table, &h, sizeof(h));
    return acpi_area_put(a, table, h.length);
}

static struct generic_address acpi_port_address(uint64_t address, unsigned bytes, uint8_t access)
{
    return (struct generic_address){
        .address_space_id = ADDRESS_SYSTEM_IO,
        .register_bit_width = (uint8_t)(bytes * 8),
        .access_size = access,
        .address = address,
    };
}

/* The FACS has no struct header. It must come first: the area begins at the alignment it needs. */
static gpa_t acpi_put_facs(struct area *a)
{
    const struct facs t = { .signature = "FACS", .length = sizeof(t), .version = 2 };
    gpa_t gpa = a->gpa + a->len;

    assert(gpa % FACS_ALIGN == 0 && a->size - a->len >= sizeof(t));
    memcpy(a->to + a->len, &t, sizeof(t));
    a->len += sizeof(t);
    return gpa;
}

/* Where the FADT has both a 32-bit and a 64-bit address for a register block, both are given. */
static gpa_t acpi_put_fadt(struct area *a, gpa_t facs, gpa_t dsdt, bool reduced)
{
    const uint32_t event = LAYOUT_ACPI_PM + ACPI_PM_STATUS;
    const uint32_t control = LAYOUT_ACPI_PM + ACPI_PM_CONTROL;
    struct fadt t = {
        .header = acpi_header("FACP", 6, sizeof(t)),
        .firmware_ctrl = (uint32_t)facs,
        .dsdt = (uint32_t)dsdt,
        .sci_int = LAYOUT_GSI_SCI,
        .pm1a_evt_blk = event,
        .pm1a_cnt_blk = control,
        .pm1_evt_len = ACPI_PM_EVENT_LEN,
        .pm1_cnt_len = ACPI_PM_CONTROL_LEN,
        .p_lvl2_lat = NO_C2,
        .p_lvl3_lat = NO_C3,
        .century = CMOS_CENTURY,
        .iapc_boot_arch = IAPC_LEGACY_DEVICES | IAPC_8042 | IAPC_NO_VGA | IAPC_NO_CMOS_RTC,
        .flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_FIX_RTC |
                 FADT_RESET_REG_SUP | (reduced ? FADT_HW_REDUCED : 0),
        .reset_reg = acpi_port_address(LAYOUT_ACPI_PM + ACPI_PM_RESET, 1, ACCESS_BYTE),
        .reset_value = ACPI_PM_RESET_VALUE,
        .minor_version = 5,
        .x_dsdt = dsdt,
        .x_pm1a_evt_blk = acpi_port_address(event, ACPI_PM_EVENT_LEN, ACCESS_WORD),
        .x_pm1a_cnt_blk = acpi_port_address(control, ACPI_PM_CONTROL_LEN, ACCESS_WORD),
        .sleep_control_reg =
            acpi_port_address(LAYOUT_ACPI_PM + ACPI_PM_SLEEP_CONTROL, 1, ACCESS_BYTE),
        .sleep_status_reg =
            acpi_port_address(LAYOUT_ACPI_PM + ACPI_PM_SLEEP_STATUS, 1, ACCESS_BYTE),
    };

    return acpi_area_put(a, &t, sizeof(t));
}

static gpa_t acpi_put_madt(struct area *a, unsigned vcpu_count, bool reduced)
{
    size_t len = offsetof(struct madt, local_apic) + vcpu_count * sizeof(struct local_apic);
    struct madt t = {
        .header = acpi_header("APIC", 6, len),
        .local_interrupt_controller_address = LAYOUT_LAPIC,
        .flags = reduced ? 0 : MADT_PCAT_COMPAT,
        .io_apic = {
            .type = 1,
            .length = sizeof(struct io_apic),
            .io_apic_id = (uint8_t)vcpu_count,
            .io_apic_address = LAYOUT_IOAPIC,
        },
        .nmi = {
            .type = 4,
            .length = sizeof(struct local_apic_nmi),
            .acpi_processor_uid = EVERY_PROCESSOR,
            .local_apic_lint = 1,
        },
    };

    for (unsigned n = 0; n < vcpu_count; n++) {
        t.local_apic[n] = (struct local_apic){
            .type = 0,
            .length = sizeof(struct local_apic),
            .acpi_processor_uid = (uint8_t)n,
            .apic_id = (uint8_t)n,
            .flags = LOCAL_APIC_ENABLED,
        };
    }
    return acpi_area_put(a, &t, len);
}

static gpa_t acpi_put_xsdt(struct area *a, gpa_t fadt, gpa_t madt)
{
    struct xsdt t = {
        .header = acpi_header("XSDT", 1, sizeof(t)),
        .entry = { fadt, madt },
    };

    return acpi_area_put(a, &t, sizeof(t));
}

static struct rsdp acpi_rsdp(gpa_t xsdt)
{
    struct rsdp r = {
        .signature = "RSD PTR ",
        .oem_id = OEM_ID,
        .revision = 2,
        .length = sizeof(r),
        .xsdt_address = xsdt,
    };

    r.checksum = table_checksum(&r, RSDP_REVISION0);
    r.extended_checksum = table_checksum(&r, sizeof(r));
    return r;
}

int acpi_write(const struct mem *m, const struct acpi_config *config, struct err *e)
{
    struct area a = { .gpa = LAYOUT_ACPI, .size = LAYOUT_RSDP - LAYOUT_ACPI };
    gpa_t facs, fadt, madt;
    struct rsdp rsdp;

    assert(config->vcpu_count >= 1 && config->vcpu_count <= VCPUS_MAX);
    a.to = mem_at(m, a.gpa, a.size + sizeof(rsdp));
    if (!a.to)
        return err_set(e, ENOSPC, "guest memory ends below the ACPI tables' place, %#llx to %#llx",
                       LAYOUT_ACPI, LAYOUT_RSDP + sizeof(rsdp));
    facs = acpi_put_facs(&a);
    fadt = acpi_put_fadt(&a, facs, acpi_put_dsdt(&a, config), config->reduced);
    madt = acpi_put_madt(&a, config->vcpu_count, config->reduced);
    rsdp = acpi_rsdp(acpi_put_xsdt(&a, fadt, madt));
    if (a.full)
        return err_set(e, ENOSPC, "ACPI tables for %u devices do not fit into %zu bytes",
                       config->virtio_count, a.size);
    memcpy(a.to + a.size, &rsdp, sizeof(rsdp));
    return reset_vector_write(m, e);
}
