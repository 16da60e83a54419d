/* The guest's command line, clock, serial port, beginning and end. */
#include "guest/guest.h"

#define SERIAL        0x3f8u
#define SERIAL_STATUS (SERIAL + 5)
#define SERIAL_EMPTY  0x20u
#define ACPI_RESET    0x606u /* mote's */
#define RESET_VALUE   1u

/* Of the PVH boot protocol's struct, the part that is used here. */
struct hvm_start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist_paddr, cmdline_paddr;
};

static const char *cmdline;
static uint64_t tsc_khz;

/* entry.S calls them: in ring 0, then in ring 3. */
void guest_begin(const struct hvm_start_info *info);
void guest_main(void);

/* The compiler may call these. */
void *memcpy(void *to, const void *from, size_t len);
void *memset(void *at, int byte, size_t len);

void *memcpy(void *to, const void *from, size_t len)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(len) : : "memory");
    return to;
}

void *memset(void *at, int byte, size_t len)
{
    void *to = at;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
    return at;
}

static void out(uint16_t port, uint8_t byte)
{
    __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

static uint8_t in(uint16_t port)
{
    uint8_t byte;

    __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"(port));
    return byte;
}

/* The rest of `text` after `begin`; NULL: it does not begin so. */
static const char *text_after(const char *text, const char *begin)
{
    for (; *begin; begin++, text++)
        if (*text != *begin)
            return NULL;
    return text;
}

static bool is_end(char c)
{
    return c == '\0' || c == ' ';
}

const char *arg_text(const char *name)
{
    const char *at = cmdline;

    while (*at) {
        const char *value = text_after(at, name);
        if (value && *value == '=')
            return value + 1;
        while (!is_end(*at))
            at++;
        while (*at == ' ')
            at++;
    }
    return NULL;
}

uint64_t arg_number(const char *name, uint64_t otherwise)
{
    const char *text = arg_text(name);
    uint64_t number = 0;
    bool hex;

    if (!text)
        return otherwise;
    hex = text[0] == '0' && text[1] == 'x';
    for (text += hex ? 2 : 0; !is_end(*text); text++) {
        unsigned digit = *text <= '9' ? (unsigned)(*text - '0') : (unsigned)(*text - 'a' + 10);
        number = number * (hex ? 16 : 10) + digit;
    }
    return number;
}

bool arg_is(const char *name, const char *word)
{
    const char *text = arg_text(name);
    const char *end = text ? text_after(text, word) : NULL;

    return end && is_end(*end);
}

uint64_t now_ns(void)
{
    uint64_t ticks = __builtin_ia32_rdtsc();

    return ticks / tsc_khz * 1000000 + ticks % tsc_khz * 1000000 / tsc_khz;
}

static void say_byte(char c)
{
    while (!(in(SERIAL_STATUS)&SERIAL_EMPTY))
        pause();
    out(SERIAL, (uint8_t)c);
}

void say(const char *text)
{
    for (; *text; text++)
        say_byte(*text);
}

void say_number(uint64_t number)
{
    char digits[20];
    unsigned count = 0;

    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        say_byte(digits[--count]);
}

void say_result(uint64_t count, uint64_t ns)
{
    say_number(count);
    say(" done in ");
    say_number(ns);
    say(" ns\n");
}

/* mote's reset register; a machine without it is ended by an exception that nobody handles. */
_Noreturn static void end(void)
{
    out(ACPI_RESET, RESET_VALUE);
    for (;;)
        __asm__ volatile("ud2");
}

_Noreturn void fail(const char *why)
{
    say("guest: ");
    say(why);
    say("\n");
    end();
}

void guest_begin(const struct hvm_start_info *info)
{
    cmdline = (const char *)info->cmdline_paddr;
    tsc_khz = arg_number("tsc_khz", 0);
    if (arg_is("run", "idle"))
        idle_run();
}

void guest_main(void)
{
    if (tsc_khz == 0)
        fail("tsc_khz= is missing");
    if (arg_is("run", "blk"))
        blk_run();
    else if (arg_is("run", "net"))
        net_run();
    else if (arg_is("run", "vsock"))
        vsock_run();
    else if (arg_is("run", "attack"))
        attack_run();
    else
        fail("run= names no workload");
    end();
}
