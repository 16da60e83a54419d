#!/bin/sh
# Every shell script passes shellcheck, and the check finds one that does not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
cd "$here/../.."

planted=$(mktemp)
trap 'rm -f "$planted"' EXIT
printf '%s\n' '#!/bin/sh' "rm \$1" >"$planted"
if shellcheck "$planted" >/dev/null; then
    fail "a planted fault is found"
else
    pass "a planted fault is found"
fi

scripts=$(find resources tests bench .ci -type f ! -path '*/corpus/*' |
    while read -r file; do
        # a script says so in its first line, or is one to be read by others
        case $file:$(head -n 1 "$file" | tr -d '\0') in
        *.sh:* | *:'#!/bin/sh'* | *:'#!/bin/bash'* | *:'#!/bin/busybox sh'*) echo "$file" ;;
        esac
    done)
# shellcheck disable=SC2086 # a list
if faults=$(shellcheck $scripts 2>&1); then
    pass "the tree has none in $(echo "$scripts" | wc -l) scripts"
else
    fail "the tree has none" "$faults"
fi
conclude
