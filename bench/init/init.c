/*
 * The smallest init: writes "@init" and a newline to the console and then sleeps for ever, so that
 * a boot measured up to it is the kernel's alone. With bench_log on the kernel's command line it
 * copies the kernel's log to the console instead, and powers off. No library: it is linked for
 * programs of a kernel without any other file.
 */
#include <linux/reboot.h>
#include <stddef.h>
#include <sys/syscall.h>

#define SYSLOG_READ_ALL 3
#define LOG_SIZE        (1 << 20)

static char log_text[LOG_SIZE];

static long call(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

static void write_all(const char *text, long len)
{
    while (len > 0) {
        long n = call(SYS_write, 1, (long)text, len, 0);
        if (n <= 0)
            return;
        text += n;
        len -= n;
    }
}

/* The kernel passes words that it does not know to init: as arguments, or as part of its
 * environment if they have a '='. */
static int wants_log(long argc, char **argv)
{
    static const char word[] = "bench_log=1";

    for (char **env = argv + argc + 1; *env; env++) {
        size_t i = 0;
        while (word[i] != '\0' && (*env)[i] == word[i])
            i++;
        if (word[i] == '\0')
            return 1;
    }
    return 0;
}

void init_main(long *stack); /* called by _start */

__attribute__((used)) void init_main(long *stack)
{
    write_all("@init\n", 6);
    if (wants_log(stack[0], (char **)(stack + 1))) {
        write_all(log_text, call(SYS_syslog, SYSLOG_READ_ALL, (long)log_text, LOG_SIZE, 0));
        (void)call(SYS_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                   (long)LINUX_REBOOT_CMD_POWER_OFF, 0);
    }
    for (;;)
        (void)call(SYS_pause, 0, 0, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call init_main\n");
