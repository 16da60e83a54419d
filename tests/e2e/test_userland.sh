#!/bin/sh
# Debian's own programs on the software CPU: Python, Perl, OpenSSL, gcc and what it compiles,
# hashing and packing. Each prints in the guest what it prints on the host's processor, where the
# same programs run over the same data first.
#
#   test_userland.sh [whole]    whole: hashes 100 MB instead of 10, and runs libcrypto's code for
#                               all generations of processors
set -u
# shellcheck source=../lib.sh
. "$MOTE_SOURCE/tests/lib.sh"

vmlinuz=$("$MOTE_SOURCE/resources/guest")/vmlinuz || exit 1
userland=$("$MOTE_SOURCE/resources/userland" dash coreutils sed grep diffutils gzip xz-utils perl \
    python3.11 libpython3.11-testsuite openssl gcc libc6-dev) || exit 1
tree=$userland/tree
folder=$(mktemp -d "$tree/tmp/checks.XXXXXX") || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work" "$folder"' EXIT

# in_tree COMMAND: runs it with the unpacked packages as root, and no more rights than that takes
in_tree() {
    if [ "$(id -u)" = 0 ]; then
        chroot "$tree" "$@"
    else
        unshare -r chroot "$tree" "$@"
    fi
}

# Puts the folder of the checks in a second archive after the packages': the kernel unpacks both.
make_initrd() {
    (cd "$folder/.." && find "${folder##*/}" | cpio --quiet -o -H newc -R 0:0) >"$work/checks.cpio"
    cat "$userland/initrd" "$work/checks.cpio" >"$work/initrd"
}

cp "$MOTE_SOURCE"/tests/e2e/userland/* "$folder" || exit 1
blocks=40
[ "${1:-}" != whole ] || blocks=400
echo $blocks >"$folder/blocks"
echo "${1:-}" >"$folder/extent"
# shellcheck disable=SC2016 # the other shell's to expand
if ! in_tree sh -c 'cd "$1" && ./prepare' sh "/tmp/${folder##*/}" >"$work/log" 2>&1; then
    fail "the checks are prepared on the host" "$(cat "$work/log")"
    conclude
fi
make_initrd
for part in programs crypto; do
    in_tree "/tmp/${folder##*/}/checks" $part
done >"$work/host"
timeout -k 1 550 "$MOTE" run --accel emu --kernel "$vmlinuz" --initrd "$work/initrd" --mem 1200M \
    --vcpus 2 --append "quiet cryptomgr.notests mote.run=\"/${folder##*/}/guest\"" </dev/null >"$work/console" 2>&1
expect "the guest ends with status 0" 0 $?
tr -d '\r' <"$work/console" >"$work/guest"

# said NAME FILE: what the check of this name printed there
said() {
    sed -n "s/^$1: //p" "$2"
}

# same NAME: the guest's answers are the host's, and both got to the end
same() {
    said "$1" "$work/host" >"$work/wanted"
    said "$1" "$work/guest" >"$work/got"
    if [ "$(tail -n 1 "$work/wanted")" != 'status 0' ]; then
        fail "$1, on the host" "$(cat "$work/wanted")"
    elif cmp -s "$work/wanted" "$work/got"; then
        pass "$1"
    else
        fail "$1" "$(diff "$work/wanted" "$work/got")"
    fi
}

# good NAME: a check that only the guest runs
good() {
    said "$1" "$work/guest" >"$work/got"
    if [ "$(tail -n 1 "$work/got")" = 'status 0' ]; then
        pass "$1"
    else
        fail "$1" "$(cat "$work/got")"
    fi
}

sed 's/: .*//' "$work/host" | uniq >"$work/names"
while read -r name; do
    same "$name"
done <"$work/names"
expect_match "every check has run" '^openssl keys, no SSSE3 either$' "$work/names"

# Not every host runs 32-bit programs; what this one prints was compared with other processors once.
(cat "$folder/i386.expected" && echo 'status 0') | sed 's/^/32-bit program: /' >>"$work/host"
same '32-bit program'
good 'openssl speed'
good 'processors'
good 'python unit tests'
good 'kernel log'
[ "$failures" -eq 0 ] || tail -n 20 "$work/console"
conclude
