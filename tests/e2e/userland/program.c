/*
 * A program for the guest's compiler: floating point in every unit, vectors, threads and signals.
 *
 * It prints what any correct processor of the same features prints, down to the last bit. The
 * compiler's own vector types and builtins stand in for immintrin.h, which takes an interpreted
 * compiler longer to read than all the rest.
 */
#define _GNU_SOURCE 1
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define N 1024

typedef double v4d __attribute__((vector_size(32)));
typedef int v8i __attribute__((vector_size(32)));
typedef char v16c __attribute__((vector_size(16)));
typedef char v32c __attribute__((vector_size(32)));
typedef short v16s __attribute__((vector_size(32)));
typedef float v8f __attribute__((vector_size(32)));

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* Numbers of all sizes. */
static double next_double(void)
{
    double fraction = (double)(int64_t)next() / 9223372036854775808.0;

    return ldexp(fraction, (int)(next() % 200) - 100);
}

/* FNV-1a over what many operations gave. */
static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *byte = data;

    while (size--)
        hash = (hash ^ *byte++) * 1099511628211u;
    return hash;
}

static void show(const char *what, const void *data, size_t size)
{
    printf("%s %016llx\n", what, (unsigned long long)mix(14695981039346656037u, data, size));
}

static double a[N], b[N], r[N];

static void scalar(void)
{
    float f[N];
    int64_t n[N];

    for (int i = 0; i < N; i++)
        r[i] = sqrt(fabs(a[i] * b[i] + a[i] / b[i] - b[i]));
    show("double", r, sizeof(r));
    for (int i = 0; i < N; i++)
        f[i] = (float)a[i] / (float)b[i] + (float)i;
    show("float", f, sizeof(f));
    for (int i = 0; i < N; i++)
        n[i] = (int64_t)(a[i] / b[i]) ^ (int64_t)(uint64_t)fabs(a[i]);
    show("to integer", n, sizeof(n));
    for (int i = 0; i < N; i++)
        r[i] = sin(a[i]) + exp(-fabs(b[i])) * cos(a[i]) + pow(fabs(a[i]), 0.37) + log1p(fabs(b[i]));
    show("functions", r, sizeof(r));
}

/* The x87: 64 bits of mantissa, so that the sum shows what a double would have lost. */
static void extended(void)
{
    long double sum = 0, product = 1;

    for (int i = 0; i < N; i++) {
        sum += (long double)a[i] * b[i];
        product *= 1 + (long double)a[i] / (1 + fabsl((long double)a[i])) / N;
    }
    printf("long double %La %La\n", sum, product);
    printf("long double functions %La %La %La %La\n", sinl(1e10L), expl(3.5L), atan2l(-1, 3),
           fmodl(1e18L, 7));
}

/* 0.1 rounded each way, and the exceptions that operations raise. */
static void environment(void)
{
    static const int modes[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };
    volatile double one = 1, ten = 10, huge = DBL_MAX, tiny = DBL_MIN;
    volatile long double third = 3;

    for (unsigned i = 0; i < 4; i++) {
        fesetround(modes[i]);
        printf("rounding %a %La %.0f %lld\n", one / ten, one / third, rint(one * 2.5),
               llrint(-one * 3.5));
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    r[0] = huge * ten;
    printf("raised %x", (unsigned)fetestexcept(FE_ALL_EXCEPT));
    r[1] = tiny / ten / ten;
    printf(" %x", (unsigned)fetestexcept(FE_ALL_EXCEPT));
    r[2] = one / (one - 1) + sqrt(-one);
    printf(" %x, %a %a %a\n", (unsigned)fetestexcept(FE_ALL_EXCEPT), r[0], r[1], fabs(r[2]));
}

__attribute__((target("avx2,fma"))) static void avx2(void)
{
    v4d sum = { 0 }, x, y;
    v8i words, indices = { 7, 3, 500, 2, 90, 1000, 6, 0 }, all = ~(v8i){ 0 };
    v32c bytes, shuffle;
    v8f singles;
    int table[N];

    for (int i = 0; i < N; i += 4) {
        memcpy(&x, a + i, sizeof(x));
        memcpy(&y, b + i, sizeof(y));
        sum = __builtin_ia32_vfmaddpd256(x, y, sum);
        sum = __builtin_ia32_blendvpd256(sum, sum * 0.5, x);
    }
    printf("fma %a %a %a %a\n", sum[0], sum[1], sum[2], sum[3]);
    for (int i = 0; i < N; i++)
        table[i] = (int)next();
    words = __builtin_ia32_gathersiv8si((v8i){ 0 }, table, indices, all, 4);
    words = __builtin_ia32_permvarsi256(words, indices) * 7919 ^
            __builtin_ia32_psllv8si(words, indices);
    show("gather", &words, sizeof(words));
    memcpy(&bytes, table, sizeof(bytes));
    memcpy(&shuffle, table + 8, sizeof(shuffle));
    bytes = __builtin_ia32_pshufb256(bytes, shuffle) +
            (v32c)__builtin_ia32_pmaddubsw256(bytes, shuffle);
    bytes = __builtin_ia32_packsswb256((v16s)bytes, (v16s)shuffle) ^
            (v32c)__builtin_ia32_psadbw256(bytes, shuffle);
    show("bytes", &bytes, sizeof(bytes));
    singles = __builtin_ia32_cvtdq2ps256(words) / 3.0f;
    singles = __builtin_ia32_roundps256(__builtin_ia32_haddps256(singles, singles * singles), 1);
    show("singles", &singles, sizeof(singles));
    printf("masks %x %x\n", (unsigned)__builtin_ia32_pmovmskb256(bytes),
           (unsigned)__builtin_ia32_movmskps256(singles));
}

__attribute__((target("sse4.2"))) static void sse4(void)
{
    v16c word = { 'b', 'r', 'o', 'w', 'n' };
    v16c text = { 't', 'h', 'e', ' ', 'q', 'u', 'i', 'c', 'k', ' ', 'b', 'r', 'o', 'w', 'n' };
    uint64_t crc = 0;

    for (int i = 0; i < N; i++)
        crc = __builtin_ia32_crc32di(crc, next());
    printf("crc32c %llx\n", (unsigned long long)crc);
    printf("pcmpistri %d %d\n", __builtin_ia32_pcmpistri128(word, text, 0x0c),
           __builtin_ia32_pcmpestri128(text, 15, word, 3, 0x40));
}

__attribute__((target("bmi,bmi2,lzcnt,popcnt"))) static void bits(void)
{
    uint64_t hash = 0;

    for (int i = 0; i < N; i++) {
        uint64_t x = next(), y = next();

        hash += __builtin_ia32_pdep_di(x, y) ^ __builtin_ia32_pext_di(y, x);
        hash ^= (x & -x) + (~y & hash) + (uint64_t)__builtin_popcountll(x);
        hash = hash << (__builtin_ia32_lzcnt_u64(y >> i % 64) & 31) | hash >> 5;
        hash += (uint64_t)((unsigned __int128)x * y >> 64);
    }
    printf("bits %016llx\n", (unsigned long long)hash);
}

#define THREADS 4
#define ROUNDS  20000

static atomic_long counter;
static long guarded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

/* Each thread adds to a plain sum under the lock, and to an atomic one without. */
static void *thread(void *arg)
{
    double *sum = arg;

    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&counter, i);
        *sum += 1.0 / (i + 1);
        if (i % 8 == 0) {
            pthread_mutex_lock(&lock);
            guarded += i;
            pthread_mutex_unlock(&lock);
        }
        if (i % 5000 == 0)
            pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t t[THREADS];
    double sum[THREADS] = { 0 };

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, thread, &sum[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    printf("threads %ld %ld %a %d\n", atomic_load(&counter), guarded, sum[0],
           !memcmp(&sum[0], &sum[1], sizeof(*sum)) && !memcmp(&sum[2], &sum[3], sizeof(*sum)));
}

static sigjmp_buf back;
static char stack[65536];
static int *volatile nowhere = (int *)16;

static void caught(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d code %d address %d\n", signal, info->si_code,
           signal == SIGSEGV && info->si_addr == nowhere);
    siglongjmp(back, 1);
}

/* What the processor raises arrives as the signals it should, on a stack of their own. */
static void signals(void)
{
    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
    volatile int zero = 0;

    sigaltstack(&other, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    if (!sigsetjmp(back, 1))
        zero = 1000 / zero;
    if (!sigsetjmp(back, 1))
        *nowhere = 1;
    if (!sigsetjmp(back, 1))
        __asm__ volatile("ud2");
    if (!sigsetjmp(back, 1))
        __asm__ volatile("int3");
    feenableexcept(FE_DIVBYZERO);
    if (!sigsetjmp(back, 1))
        r[0] = 1.0 / zero;
    fedisableexcept(FE_DIVBYZERO);
}

int main(void)
{
    for (int i = 0; i < N; i++) {
        a[i] = next_double();
        b[i] = next_double();
    }
    scalar();
    extended();
    environment();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        avx2();
    if (__builtin_cpu_supports("sse4.2"))
        sse4();
    if (__builtin_cpu_supports("bmi2"))
        bits();
    threads();
    signals();
    return 0;
}
