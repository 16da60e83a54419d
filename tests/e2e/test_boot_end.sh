#!/bin/sh
# Every way a guest ends: in order with status 0, by dying with status 1 and a sentence.
set -u
. "$(dirname "$0")/lib.sh"
on_every_kvm

boot 'mote.run="poweroff; sleep 100"'
expect_status "poweroff is status 0" 0

boot 'mote.run="reboot; sleep 100"'
expect_status "reboot is status 0" 0

boot 'mote.run="reboot -f" reboot=acpi'
expect_status "reboot through the ACPI reset register is status 0" 0

boot 'mote.run="reboot -f" reboot=triple'
expect_status "a triple fault is status 1" 1
expect "and one line says so" 1 "$(grep -c 'triple fault' "$work/err")"

boot 'mote.run="echo c >/proc/sysrq-trigger"'
expect_status "a kernel panic reboots: status 0" 0
expect_match "after the kernel said why" 'Kernel panic' "$work/out"

boot 'mote.run="reboot"' --vcpus 4
expect_status "reboot with four vCPUs is status 0" 0

# A signal to mote ends the guest in order, and mote then dies of it.
mote_run 'mote.run="echo up; sleep 1000"' </dev/null >"$work/out" 2>"$work/err" &
mote=$!
wait_for up "$work/out"
kill -s TERM $mote
status=0
wait $mote || status=$?
expect_status "SIGTERM ends mote, which dies of it" 143
conclude
