#!/bin/sh
# Every C file is as clang-format leaves it, and the check finds one that is not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
cd "$here/../.."

formatted() {
    clang-format --style=file:.clang-format --dry-run -Werror "$@"
}

planted=$(mktemp --suffix .c)
trap 'rm -f "$planted"' EXIT
echo 'int  f( void ) { return 1 ; }' >"$planted"
if formatted "$planted" 2>/dev/null; then
    fail "a planted fault is found"
else
    pass "a planted fault is found"
fi

files=$(find src tests bench -name '*.[ch]')
# shellcheck disable=SC2086 # a list
if faults=$(formatted $files 2>&1); then
    pass "the tree has none"
else
    fail "the tree has none" "$(echo "$faults" | grep error)"
fi
conclude
