#ifndef TESTS_FORBID_H
#define TESTS_FORBID_H
/*
 * Imitates the kernel of another host: makes one system call of this process fail from now on, for
 * good, whoever runs the test and whatever the real host allows.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static inline void forbid_install(struct sock_filter *code, unsigned count)
{
    struct sock_fprog prog = { .len = (unsigned short)count, .filter = code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
        abort();
}

/* `action` is what the seccomp filter returns: an error, SIGSYS, ... */
static inline void forbid_by(long call, uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    forbid_install(code, sizeof(code) / sizeof(code[0]));
}

static inline void forbid(long call, int with)
{
    forbid_by(call, SECCOMP_RET_ERRNO | (uint32_t)with);
}

/* Only for calls whose argument number `arg`, from 0 on, has this value in its low half. */
static inline void forbid_where_by(long call, unsigned arg, uint32_t is, uint32_t action)
{
    const uint32_t low = (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, is, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    forbid_install(code, sizeof(code) / sizeof(code[0]));
}

static inline void forbid_where(long call, unsigned arg, uint32_t is, int with)
{
    forbid_where_by(call, arg, is, SECCOMP_RET_ERRNO | (uint32_t)with);
}

#endif
