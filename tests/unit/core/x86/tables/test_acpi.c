/* The ACPI tables as a guest walks them, from the root pointer and at the specification's offsets;
 * and as the reference compiler reads them. */
#include "core/x86/tables/acpi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/dev/acpi_pm.h"
#include "core/dev/cmos.h"
#include "core/x86/layout.h"

static struct mem mem;
static struct err err;
static struct acpi_virtio virtio[4096];

static void map(uint64_t size)
{
    struct mem_config c = { .size = size,
                            .gap_start = LAYOUT_GAP_START,
                            .gap_end = LAYOUT_GAP_END };

    cr_assert_eq(mem_init(&mem, &c, &err), 0, "%s", err.text);
}

static void setup(void)
{
    map(2 * MIB);
    for (unsigned n = 0; n < sizeof(virtio) / sizeof(virtio[0]); n++) {
        virtio[n].gpa = LAYOUT_VIRTIO + n * LAYOUT_VIRTIO_SIZE;
        virtio[n].size = LAYOUT_VIRTIO_SIZE;
        virtio[n].gsi = LAYOUT_GSI_VIRTIO + n;
    }
}

static void teardown(void)
{
    mem_finish(&mem);
}

TestSuite(acpi, .init = setup, .fini = teardown);

static int write_tables(unsigned vcpus, unsigned devices)
{
    const struct acpi_config c = { vcpus, virtio, devices, false };

    return acpi_write(&mem, &c, &err);
}

static uint64_t le(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static uint8_t sum(const uint8_t *at, size_t len)
{
    uint8_t s = 0;

    for (size_t i = 0; i < len; i++)
        s = (uint8_t)(s + at[i]);
    return s;
}

/* The table at this address; checks its header. */
static const uint8_t *table(gpa_t gpa, const char *signature)
{
    const uint8_t *t = mem_at(&mem, gpa, 36);

    cr_assert_not_null(t, "no memory at %#lx", gpa);
    cr_assert_eq(gpa % 16, 0);
    cr_assert_eq(memcmp(t, signature, 4), 0);
    uint64_t len = le(t + 4, 4);
    cr_assert(gpa >= LAYOUT_ACPI && gpa + len <= LAYOUT_RSDP);
    cr_assert_eq(sum(t, len), 0, "%s has a wrong checksum", signature);
    cr_assert_eq(memcmp(t + 10, "MOTE  ", 6), 0);
    return t;
}

static const uint8_t *xsdt(void)
{
    const uint8_t *rsdp = mem_at(&mem, LAYOUT_RSDP, 36);

    cr_assert_eq(memcmp(rsdp, "RSD PTR ", 8), 0);
    cr_assert_eq(sum(rsdp, 20), 0);
    cr_assert_eq(sum(rsdp, 36), 0);
    cr_assert_eq(rsdp[15], 2, "revision");
    cr_assert_eq(le(rsdp + 16, 4), 0, "no RSDT");
    cr_assert_eq(le(rsdp + 20, 4), 36);
    const uint8_t *t = table(le(rsdp + 24, 8), "XSDT");
    cr_assert_eq(le(t + 4, 4), 36 + 2 * 8);
    return t;
}

static const uint8_t *fadt(void)
{
    return table(le(xsdt() + 36, 8), "FACP");
}

static const uint8_t *madt(void)
{
    return table(le(xsdt() + 44, 8), "APIC");
}

static const uint8_t *dsdt(void)
{
    return table(le(fadt() + 140, 8), "DSDT");
}

static void expect_byte_port(const uint8_t *address, unsigned port)
{
    static const uint8_t byte_io[] = { 1, 8, 0, 1 };

    cr_assert_arr_eq(address, byte_io, 4);
    cr_assert_eq(le(address + 4, 8), port);
}

static void expect_ports(const uint8_t *address, unsigned port, unsigned bytes)
{
    const uint8_t words[] = { 1, (uint8_t)(bytes * 8), 0, 2 };

    cr_assert_arr_eq(address, words, 4);
    cr_assert_eq(le(address + 4, 8), port);
}

Test(acpi, a_reduced_machine_sleeps_by_its_own_register_and_has_no_8259)
{
    const struct acpi_config c = { .vcpu_count = 1, .reduced = true };

    cr_assert_eq(acpi_write(&mem, &c, &err), 0);
    cr_assert(le(fadt() + 112, 4) & 1u << 20, "HW_REDUCED_ACPI");
    cr_assert(le(fadt() + 112, 4) & 1u << 10, "RESET_REG_SUP");
    expect_byte_port(fadt() + 244, LAYOUT_ACPI_PM + ACPI_PM_SLEEP_CONTROL);
    expect_byte_port(fadt() + 256, LAYOUT_ACPI_PM + ACPI_PM_SLEEP_STATUS);
    cr_assert_eq(le(madt() + 40, 4), 0, "no 8259");
}

/* Linux believes that a hardware-reduced machine has no 8259 and no 8254. */
Test(acpi, fadt_describes_the_fixed_hardware)
{
    cr_assert_eq(write_tables(1, 0), 0);
    const uint8_t *t = fadt();

    cr_assert_eq(le(t + 4, 4), 276);
    cr_assert_eq(t[8], 6);
    cr_assert_eq(t[131], 5, "version 6.5");
    uint64_t flags = le(t + 112, 4);
    cr_assert_not(flags & 1u << 20, "HW_REDUCED_ACPI");
    cr_assert(flags & 1u << 10, "RESET_REG_SUP");
    cr_assert_eq(le(t + 109, 2), 0x27, "legacy devices, 8042, no VGA, no RTC");
    expect_byte_port(t + 116, LAYOUT_ACPI_PM + ACPI_PM_RESET);
    cr_assert_eq(t[128], ACPI_PM_RESET_VALUE);
    expect_ports(t + 148, LAYOUT_ACPI_PM + ACPI_PM_STATUS, 4);
    cr_assert_eq(le(t + 56, 4), LAYOUT_ACPI_PM + ACPI_PM_STATUS);
    cr_assert_eq(t[88], 4);
    expect_ports(t + 172, LAYOUT_ACPI_PM + ACPI_PM_CONTROL, 2);
    cr_assert_eq(le(t + 64, 4), LAYOUT_ACPI_PM + ACPI_PM_CONTROL);
    cr_assert_eq(t[89], 2);
    cr_assert_eq(le(t + 46, 2), LAYOUT_GSI_SCI);
    cr_assert_eq(le(t + 48, 4), 0, "no SMI: ACPI mode is on");
    cr_assert_eq(le(t + 76, 4), 0, "no PM timer");
    cr_assert_eq(t[108], CMOS_CENTURY);
}

Test(acpi, facs_is_where_the_fadt_says)
{
    cr_assert_eq(write_tables(1, 0), 0);
    gpa_t gpa = le(fadt() + 36, 4);
    const uint8_t *t = mem_at(&mem, gpa, 64);

    cr_assert_eq(gpa % 64, 0);
    cr_assert_eq(memcmp(t, "FACS", 4), 0);
    cr_assert_eq(le(t + 4, 4), 64);
    cr_assert_eq(le(fadt() + 40, 4), le(fadt() + 140, 8), "both addresses of the DSDT");
}

Test(acpi, madt_lists_every_processor)
{
    static const unsigned counts[] = { 1, 2, 32 };

    for (unsigned i = 0; i < 3; i++) {
        unsigned n = counts[i], seen = 0, io_apics = 0, nmis = 0;
        cr_assert_eq(write_tables(n, 1), 0);
        const uint8_t *t = madt(), *end = t + le(t + 4, 4);
        cr_assert_eq(le(t + 36, 4), LAYOUT_LAPIC);
        cr_assert_eq(le(t + 40, 4), 1, "a pair of 8259");
        for (const uint8_t *e = t + 44; e < end; e += e[1]) {
            cr_assert_geq(e[1], 2);
            cr_assert_leq(e + e[1], end);
            if (e[0] == 0) {
                cr_assert_eq(e[1], 8);
                cr_assert_eq(e[2], seen);
                cr_assert_eq(e[3], seen++);
                cr_assert_eq(le(e + 4, 4), 1, "enabled");
            } else if (e[0] == 1) {
                cr_assert_eq(e[1], 12);
                cr_assert_eq(e[2], n, "an id that no processor has");
                cr_assert_eq(le(e + 4, 4), LAYOUT_IOAPIC);
                cr_assert_eq(le(e + 8, 4), 0);
                io_apics++;
            } else {
                cr_assert_arr_eq(e, ((uint8_t[]){ 4, 6, 0xff, 0, 0, 1 }), 6);
                nmis++;
            }
        }
        cr_assert_eq(seen, n);
        cr_assert_eq(io_apics, 1);
        cr_assert_eq(nmis, 1);
    }
}

Test(acpi, dsdt_holds_its_aml)
{
    static uint8_t aml[8192];
    size_t len = dsdt_aml(virtio, LAYOUT_VIRTIO_MAX, aml, sizeof(aml));

    cr_assert_eq(write_tables(1, LAYOUT_VIRTIO_MAX), 0);
    cr_assert_eq(dsdt()[8], 2, "64-bit integers");
    cr_assert_eq(le(dsdt() + 4, 4), 36 + len);
    cr_assert_eq(memcmp(dsdt() + 36, aml, len), 0);
}

Test(acpi, needs_memory_where_the_tables_go)
{
    mem_finish(&mem);
    map(LAYOUT_RSDP);
    cr_assert_eq(write_tables(1, 1), -ENOSPC);
    cr_assert(strstr(err.text, "ends below"), "%s", err.text);
    mem_finish(&mem);
    map(LAYOUT_RSDP + 4096);
    cr_assert_eq(write_tables(1, 1), -ENOSPC);
    cr_assert(strstr(err.text, "reset vector"), "%s", err.text);
    mem_finish(&mem);
    map(MIB);
    cr_assert_eq(write_tables(1, 1), 0);
}

/* No machine has so many devices; still, the tables must not grow over what follows them. */
Test(acpi, refuses_more_than_fits)
{
    for (unsigned n = 0; n < 4096; n++)
        virtio[n].gpa = (1ull << 40) + n * 4096ull;
    memset(mem_at(&mem, LAYOUT_RSDP, 4096), 0xcc, 4096);
    cr_assert_eq(write_tables(1, 4096), -ENOSPC);
    cr_assert(strstr(err.text, "4096 devices"), "%s", err.text);
    for (unsigned i = 0; i < 4096; i++)
        cr_assert_eq(((uint8_t *)mem_at(&mem, LAYOUT_RSDP, 4096))[i], 0xcc, "byte %u", i);
}

static void save(const char *dir, const char *name, const uint8_t *t)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(t, 1, le(t + 4, 4), f), le(t + 4, 4));
    cr_assert_eq(fclose(f), 0);
}

/* ACPICA's compiler (Debian: acpica-tools) disassembles each table and compiles it again without a
 * remark, to the same bytes except for the header, in which it names itself. The DSDT's source
 * holds each of the lines below as often as the number in front of it says. */
static const char oracle[] =
    "cd '%s' && { for t in facp apic xsdt dsdt; do\n"
    "    iasl -d $t.dat && iasl $t.dsl && cmp -i 36 $t.dat $t.aml || exit\n"
    "done >log 2>&1\n"
    "! grep -E '[1-9][0-9]* (Errors|Warnings|Remarks)|nvalid|ncorrect' log || exit\n"
    "! grep -E 'Buffer' dsdt.dsl || exit\n"
    "while read -r count source; do\n"
    "    [ $(grep -cF \"$source\" dsdt.dsl) = $count ] ||\n"
    "        { echo \"not $count: $source\" >&2; exit 1; }\n"
    "done; } <<'END'\n"
    "1 Name (_S5, Package (0x04)\n"
    "1 Name (_HID, EisaId (\"PNP0501\")\n"
    "1 Name (_HID, EisaId (\"PNP0303\")\n"
    "17 Name (_HID, \"LNRO0005\")\n"
    "4 IO (Decode16,\n"
    "2 IRQNoFlags ()\n"
    "16 Memory32Fixed (ReadWrite,\n"
    "1 QWordMemory (ResourceConsumer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,\n"
    "17 Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, )\n"
    "END\n";

Test(acpi, compiles_back_to_the_same_bytes)
{
    char dir[] = "/tmp/test_acpi.XXXXXX";
    char command[2048];

    virtio[16].gpa = 1ull << 40;
    cr_assert_eq(write_tables(32, 17), 0);
    cr_assert_not_null(mkdtemp(dir));
    save(dir, "facp", fadt());
    save(dir, "apic", madt());
    save(dir, "xsdt", xsdt());
    save(dir, "dsdt", dsdt());
    snprintf(command, sizeof(command), oracle, dir);
    int status = system(command);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(status, 0, "iasl is missing or does not agree");
}
