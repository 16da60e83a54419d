#!/bin/sh
# What a boot costs under KVM, by KVM's own counters: how many exits there are, for what, and how
# many go to the monitor. Once on a host that backs all memory with huge pages, once on one where
# only those who ask get them. Time in the bed counts instructions (-n), so that as many interrupts
# come on every host.
#
# A boot with huge pages for all memory has 2,600 exits here: 670 for the host's interrupts and 470
# for MSRs, most of them settings of the guest's timer, both of which come with time; 940 for CPUID,
# most of them of processes that start (glibc asks some 30 times); 220 for the I/O APIC, each of whose
# 24 lines Linux masks and sets up; 90 for ports.
set -u
. "$(dirname "$0")/lib.sh"
only_bed=yes bed_options=-n bed_limit=900
on_every_kvm
crypto_tests=yes

mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
to_user=/sys/kernel/tracing/events/kvm/kvm_userspace_exit
echo hist:keys=reason >$to_user/trigger

# user_exits: how many exits to user space all machines have had so far
user_exits() {
    sed -n 's/^ *Hits: //p' $to_user/hist
}

# at_least and at_most WHAT LIMIT GOT
at_least() {
    if [ "${3:-0}" -ge "$2" ]; then pass "$1: $3"; else fail "$1" "wanted: at least $2" "got:    ${3:-nothing}"; fi
}
at_most() {
    if [ "${3:-$(($2 + 1))}" -le "$2" ]; then pass "$1: $3"; else fail "$1" "wanted: at most $2" "got:    ${3:-nothing}"; fi
}

# count POLICY: boots to init's first output, then powers off, under this policy for huge pages.
# Leaves $exits, $interrupts (exits for the host's) and $faults up to that output, and $left, the
# exits to user space, up to the end.
count() {
    echo "$1" >/sys/kernel/mm/transparent_hugepage/enabled
    exits='' interrupts='' faults=''
    before=$(user_exits)
    : >"$work/out"
    mkfifo "$work/in"
    mote_run 'mote.run="echo up; read go"' <"$work/in" >"$work/out" 2>"$work/err" &
    exec 3>"$work/in"
    wait_for '^up' "$work/out" || fail "a guest boots" "$(tail -n 20 "$work/out" "$work/err")"
    for counters in /sys/kernel/debug/kvm/*/vcpu0; do
        counters=${counters%/*}
        exits=$(cat "$counters/exits") interrupts=$(cat "$counters/irq_exits")
        faults=$(cat "$counters/pf_taken")
    done
    echo >&3
    exec 3>&-
    wait
    rm "$work/in"
    left=$(($(user_exits) - before))
}

count always
at_least "KVM counts" 1000 "$exits"
at_most "exits of a boot where all memory is huge pages" 3500 "$exits"
at_most "those but for the host's interrupts" 2300 $((exits - interrupts))
at_most "page faults" 100 "$faults"
at_least "the tracer counts" 50 "$left"
at_most "exits to user space until it is over" 400 "$left"

count madvise
at_most "exits of a boot where huge pages are asked for" 5600 "$exits"
at_most "those but for the host's interrupts" 4500 $((exits - interrupts))
at_most "page faults" 2600 "$faults"
at_most "exits to user space until it is over" 400 "$left"
conclude
