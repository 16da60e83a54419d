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

# tidy FILE...: what it says of them
tidy() {
    printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 sh -c 'names=$0
        exec clang-tidy --quiet --checks="$names" --header-filter="$PWD/src/" "$@" -- \
            -std=gnu11 -D_GNU_SOURCE -DMOTE_VERSION="\"0\"" -Isrc' "-*$names" 2>/dev/null |
        grep -E 'warning:|error:' || true
}

planted=$(mktemp --suffix .c)
trap 'rm -f "$planted"' EXIT
echo 'int f(int n); int f(int n) { return n > 0 ? f(n - 1) : 0; }' >"$planted"
if [ -n "$(tidy "$planted")" ]; then
    pass "a planted fault is found"
else
    fail "a planted fault is found"
fi

files=$(find src -name '*.c')
# shellcheck disable=SC2086 # a list
faults=$(tidy $files)
if [ -z "$faults" ]; then
    pass "the tree has none"
else
    fail "the tree has none" "$faults"
fi
conclude
