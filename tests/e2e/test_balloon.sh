#!/bin/sh
# Memory that a guest frees goes back to the host if its balloon reports it, and only then.
set -u
. "$(dirname "$0")/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
else
    on_every_kvm
fi

filled=96 # MiB

# resident: how many MiB of the monitor's memory the host has pages for
resident() {
    awk '/^VmRSS:/ { print int($2 / 1024) }' "/proc/$monitor/status"
}

# start OPTION...: starts a guest that fills memory, frees it when it reads a line, and waits
start() {
    : >"$work/out" # otherwise wait_for might see what the last guest said
    mkfifo "$work/in"
    mote_run "mote.run=\"dd if=/dev/zero of=/tmp/fill bs=1M count=$filled 2>/dev/null; echo filled;
        read go; rm /tmp/fill; echo freed; read go\"" --mem 256M "$@" \
        <"$work/in" >"$work/out" 2>"$work/err" &
    exec 3>"$work/in"
    wait_for filled "$work/out"
    for monitor in /proc/[0-9]*; do
        monitor=${monitor#/proc/}
        grep -qas "mote.run=\"dd" "/proc/$monitor/cmdline" && grep -qs '^mote' "/proc/$monitor/comm" && break
    done
}

finish() {
    echo >&3
    exec 3>&-
    wait
    rm "$work/in"
}

at_most() {
    [ "$1" -le "$2" ] && echo yes || echo "no: $1 MiB, more than $2"
}

# That nothing goes back by itself does not depend on the accelerator: the bed can leave it out.
if [ "${KVM_PLACE:-}" != bed ]; then
    start
    before=$(resident)
    echo >&3
    wait_for freed "$work/out"
    kept=$(resident)
    finish
    echo "# resident: $before MiB when filled, $kept freed"
    expect "without a balloon the host keeps what the guest freed" yes \
        "$(at_most $((before - 10)) "$kept")"
fi

start --balloon=0,reporting
given=$(resident)
echo >&3
wait_for freed "$work/out"
tries=0
until [ "$(resident)" -lt $((given - filled / 2)) ] || [ $tries = 60 ]; do
    tries=$((tries + 1))
    sleep 1
done
after=$(resident)
finish

echo "# resident: $given MiB when filled, $after freed, with reporting"
expect "a balloon that reports gives at least half of it back" yes \
    "$(at_most "$after" $((given - filled / 2)))"
conclude
