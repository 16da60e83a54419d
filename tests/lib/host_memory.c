/* Asks the host about memory: by a store in a child, and in /proc and /sys. */
#include "lib/host_memory.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int host_store_signal(uint8_t *at)
{
    int status = 0;
    pid_t child = fork();

    assert(child >= 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's report would be noise */
        *(volatile uint8_t *)at = 1;
        _exit(0);
    }
    child = waitpid(child, &status, 0);
    assert(child > 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

bool host_mapping_has(const void *at, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    bool has = false;

    assert(f);
    while (fgets(line, sizeof(line), f)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from <= (unsigned long)at && (unsigned long)at < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    (void)fclose(f);
    return has;
}

long host_huge_pages_free(void)
{
    FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    long pages = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%ld", &pages) != 1)
        pages = 0;
    (void)fclose(f);
    return pages;
}
