#!/bin/bash
# clang-tidy finds nothing in src/, by the few checks below, and finds what is planted.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
cd "$here/../.."

# Each line: a check, and why this tree wants it. Left out is what the compilers' own warnings, the
# sanitizers and the formatter see already, and what takes this tree's ways for faults.
table='
bugprone-assert-side-effect       asserts stay in release builds, but nobody may rely on them to act
bugprone-branch-clone             two equal branches in a row are a slip of copying
bugprone-infinite-loop            a loop on what nobody changes is a thread that never comes back
bugprone-signal-handler           a handler may call only what is async-signal-safe
bugprone-signed-char-misuse       a byte of the guest is not negative
bugprone-sizeof-expression        the size of a pointer is hardly ever meant
bugprone-suspicious-enum-usage    flags and numbers are different enums
bugprone-suspicious-memory-comparison  padding has no value
bugprone-suspicious-string-compare     strcmp is no truth value
bugprone-too-small-loop-variable  a count of the guest would never be reached
cert-err34-c                      atoi takes anything for a number
misc-no-recursion                 what a guest nests must not cost stack
misc-redundant-expression         both sides equal: a slip
readability-inconsistent-declaration-parameter-name  the header is the manual
readability-misleading-indentation     what looks inside is inside
readability-redundant-declaration      one declaration, in the header of its file
'
names=$(echo "$table" | awk 'NF { printf ",%s", $1 }')

# tidy FILE...: what it says of them and of the headers of src/. It looks into system headers as well, or
# it would not know assert.
tidy() {
    printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 sh -c 'names=$0
        exec clang-tidy --quiet --system-headers --checks="$names" --header-filter="$PWD/src/" "$@" -- \
            -std=gnu11 -D_GNU_SOURCE -DMOTE_VERSION="\"0\"" -I"$PWD/src"' "-*$names" 2>/dev/null |
        grep -E 'warning:|error:' | grep -v '^/usr/' | sort -u || true
}

# One fault for each check.
planted=$(mktemp --suffix .c)
trap 'rm -f "$planted"' EXIT
cat >"$planted" <<'PLANTED'
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum few { FEW_A = 1, FEW_B = 2, FEW_C = 4 };
enum many { MANY_A = 1, MANY_B = 2, MANY_C = 8 };
struct padded { char c; int i; };
int twice(void);
int twice(void);
int named(int one);
int named(int other) { assert(other++ > 0); return other; }
int cloned(int n) { if (n) { return 1; } else { return 1; } }
void endless(void) { int i = 0; while (i < 10) { puts("x"); } }
static void handler(int sig) { printf("%d", sig); }
void handled(void) { signal(SIGINT, handler); }
int negative(signed char c) { int i = c; return i; }
size_t sized(void) { return sizeof(sizeof(int)); }
int mixed(enum few a, enum many b) { return a | b; }
int compared(struct padded *a, struct padded *b) { return memcmp(a, b, sizeof(*a)); }
int strings(const char *a, const char *b) { if (strcmp(a, b)) { return 1; } return 0; }
void short_of(unsigned long n) { for (unsigned char i = 0; i < n; i++) { puts("x"); } }
int number(const char *s) { return atoi(s); }
int nested(int n) { return n > 0 ? nested(n - 1) : 0; }
int equal(int n) { return n == n; }
int astray(int n)
{
    if (n)
        n = 1;
        n = 2;
    return n;
}
PLANTED
found=$(tidy "$planted")
for check in $(echo "$names" | tr , ' '); do
    case $found in
    *"[$check"*) pass "a planted fault is found: $check" ;;
    *) fail "a planted fault is found: $check" ;;
    esac
done

files=$(find src -name '*.c')
# shellcheck disable=SC2086 # a list
faults=$(tidy $files)
if [ -z "$faults" ]; then
    pass "the tree has none"
else
    fail "the tree has none" "$faults"
fi
conclude
