#!/bin/sh
# Linux's own x86 selftests in the stock kernel on the software CPU, with one processor and with
# two: each has the result that it has under QEMU's TCG, which runs the same kernel and initramfs
# meanwhile.
set -u
# shellcheck source=../lib.sh
. "$MOTE_SOURCE/tests/lib.sh"

selftests=$("$MOTE_SOURCE/resources/selftests") || exit 1
kernel=$("$MOTE_SOURCE/resources/guest")/vmlinuz || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deadline=200 # seconds: a run takes 15 on a machine that has nothing else to do

# Run by neither: 2 million system calls, half of them traced, take minutes in software.
slow=syscall_numbering_64

# Where QEMU 7.2 is wrong: the result on a processor, and why QEMU's is another.
not_as_qemu() {
    cat <<'END'
ldt_gdt_32 pass QEMU hangs in it every now and then
ldt_gdt_64 pass QEMU hangs in it every now and then
mov_ss_trap_64 pass QEMU takes the breakpoint of MOV SS before SYSCALL, not after it: the test is killed
sysret_ss_attrs_64 pass QEMU's far return of a user reads the stack as supervisor: the kernel oopses under SMAP
test_syscall_vdso_32 pass QEMU's far return of a user reads the stack as supervisor: the kernel oopses under SMAP
sigreturn_32 pass QEMU's IRET leaves null selectors 1 to 3 in FS and GS
END
}

names=$(grep -v -x "$slow" "$selftests/names")
not_as_qemu >"$work/exceptions"
for_qemu=$(echo "$names" | grep -v -w -F "$(cut -d ' ' -f 1 "$work/exceptions")")

# to_run NAME...: the kernel's command line for a guest that runs these
to_run() {
    echo "quiet cryptomgr.notests mote.run=\"/selftests/run $*\""
}

# shellcheck disable=SC2086 # lists of names
under_qemu() {
    timeout -k 1 "$deadline" qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 512 -nodefaults \
        -no-user-config -display none -serial stdio -no-reboot -kernel "$kernel" \
        -initrd "$selftests/initrd" -append "console=ttyS0 panic=1 $(to_run $for_qemu)" \
        </dev/null 2>&1 | tr -d '\r' >"$work/qemu"
}

# shellcheck disable=SC2086 # lists of names
under_mote() {
    timeout -k 1 "$deadline" "$MOTE" run --accel emu --vcpus "$1" --mem 512M --kernel "$kernel" \
        --initrd "$selftests/initrd" --append "$(to_run $names)" </dev/null >"$work/raw" 2>&1
    expect "the guest with $1 vCPU(s) ends with status 0" 0 $?
    tr -d '\r' <"$work/raw" >"$work/mote"
}

result() {
    sed -n "s/^selftest $1: //p" "$2"
}

# said NAME: what the guest printed before that result: the test's reasons, or kernel messages.
said() {
    sed -n "/^selftest $1: /q; /^selftest /d; p" "$work/mote" | tail -n 30
}

compare() {
    for name in $names; do
        wanted=$(sed -n "s/^$name \([a-z]*\) .*/\1/p" "$work/exceptions")
        [ -n "$wanted" ] || wanted=$(result "$name" "$work/qemu")
        got=$(result "$name" "$work/mote")
        if [ -n "$got" ] && [ "$got" = "$wanted" ]; then
            pass "$name with $1 vCPU(s): $got"
        else
            fail "$name with $1 vCPU(s)" "wanted: $wanted" "got:    $got" "$(said "$name")"
        fi
    done
}

under_qemu & # beside the first of mote's runs
for vcpus in 1 2; do
    under_mote $vcpus
    [ $vcpus = 1 ] && wait && expect_match "QEMU ran them all" '^selftests: done' "$work/qemu"
    compare $vcpus
done
conclude
