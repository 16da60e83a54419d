/*
 * A 32-bit program without a library: instructions that only compatibility mode has, and both ways
 * into the kernel.
 */
#define AT_NULL    0
#define AT_SYSINFO 32
#define SYS_EXIT   1
#define SYS_WRITE  4

static unsigned vsyscall; /* the vDSO's __kernel_vsyscall: SYSENTER or SYSCALL, if there is one */

static int gate_call(int number, int a, const void *b, int c)
{
    int ret;

    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return ret;
}

static int fast_call(int number, int a, const void *b, int c)
{
    int ret;

    __asm__ volatile("call *%1"
                     : "=a"(ret)
                     : "r"(vsyscall), "0"(number), "b"(a), "c"(b), "d"(c)
                     : "memory");
    return ret;
}

static void print(const char *what, unsigned long long value)
{
    char line[64], *to = line;

    while (*what)
        *to++ = *what++;
    *to++ = ' ';
    for (int shift = 60; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    *to++ = '\n';
    if (vsyscall)
        (void)fast_call(SYS_WRITE, 1, line, (int)(to - line));
    else
        (void)gate_call(SYS_WRITE, 1, line, (int)(to - line));
}

/* The decimal and the stack instructions that 64-bit mode gave up. Flags that they leave undefined
 * are masked out. */
static void legacy(void)
{
    unsigned ax, flags, top, bounds[2] = { 3, 9 };

    for (unsigned n = 0; n < 0x100; n += 0x19) {
        __asm__ volatile("add %%al, %%al; daa; aam $7; aad $11; das; pushf; pop %1"
                         : "=a"(ax), "=r"(flags)
                         : "0"(n)
                         : "cc");
        print("decimal", ax & 0xffff);
        __asm__ volatile("add $9, %%al; aaa; aas; pushf; pop %1"
                         : "=a"(ax), "=r"(flags)
                         : "0"(n)
                         : "cc");
        print("ascii", (ax & 0xffff) | (unsigned long long)(flags & 0x11) << 32);
    }
    __asm__ volatile("pusha; mov 28(%%esp), %0; popa" : "=a"(top) : "0"(0x12345678));
    print("pusha", top);
    __asm__ volatile("bound %0, %1" : : "r"(5), "m"(bounds));
    __asm__ volatile("push %%es; push %%ds; pop %%es; pop %%es; mov %%ds, %0" : "=r"(top));
    print("segments", top & 3);
}

static void arithmetic(void)
{
    unsigned long long hash = 14695981039346656037u;
    double sum = 0;
    long double product = 1;

    for (unsigned i = 1; i < 5000; i++) {
        hash = (hash ^ i) * 1099511628211u;
        hash = hash << 7 | hash >> 57;
        sum += 1.0 / (double)i;
        product *= 1 + 1.0L / ((long double)i * i);
    }
    print("integer", hash);
    __builtin_memcpy(&hash, &sum, sizeof(hash));
    print("double", hash);
    __builtin_memcpy(&hash, &product, sizeof(hash));
    print("long double", hash);
}

/* The kernel's stack: argc, arguments, NULL, environment, NULL, auxiliary vector. */
__attribute__((used, noreturn)) static void begin(const unsigned *at)
{
    at += *at + 2;
    while (*at++)
        ;
    for (; *at != AT_NULL; at += 2)
        if (*at == AT_SYSINFO)
            vsyscall = at[1];
    legacy();
    arithmetic();
    (void)gate_call(SYS_EXIT, 0, 0, 0);
    __builtin_unreachable();
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov %esp, %eax\n"
        "    and $-16, %esp\n"
        "    push %eax\n"
        "    call begin\n");
