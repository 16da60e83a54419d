#ifndef CORE_X86_TABLES_AML_H
#define CORE_X86_TABLES_AML_H
/*
 * An encoder for the ACPI Machine Language (ACPI 6.5, chapter 20): as much as it takes to declare
 * devices and their resources. Pure.
 *
 * Every call appends to the caller's buffer. The first thing that does not fit sets `overflow`, and
 * nothing is written after that, so a caller checks once, at the end. An object that contains
 * others is opened and closed; closing it puts its length in front:
 *
 *   size_t device = aml_device(a, "COM1");
 *   aml_name(a, "_HID");
 *   aml_eisaid(a, "PNP0501");
 *   aml_close(a, device);
 *
 * A name is one segment of up to four characters, in the scope that is open.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
    uint8_t *to; /* the caller's */
    size_t size;
    size_t len; /* bytes written */
    bool overflow;
};

void aml_init(struct aml *a, void *to, size_t size);

/* Each returns what aml_close takes. The innermost is closed first. */
size_t aml_scope(struct aml *a, const char *name);
size_t aml_device(struct aml *a, const char *name);
size_t aml_package(struct aml *a, uint8_t elements);
void aml_close(struct aml *a, size_t opened);

/* Names the object that is written next. */
void aml_name(struct aml *a, const char *name);

/* Objects. An EISA id is three capital letters and four hexadecimal digits. */
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *text);
void aml_eisaid(struct aml *a, const char *id);

/* A resource template (ACPI 6.5, 6.4), which is an object too, and the descriptors in it. */
size_t aml_resources(struct aml *a);
void aml_io(struct aml *a, uint16_t port, uint8_t len);
void aml_irq(struct aml *a, unsigned irq);       /* ISA 0 to 15: edge, active-high, exclusive */
void aml_interrupt(struct aml *a, uint32_t gsi); /* likewise, any global system interrupt */
void aml_memory(struct aml *a, uint64_t base, uint64_t len);
void aml_resources_close(struct aml *a, size_t opened);

#endif
