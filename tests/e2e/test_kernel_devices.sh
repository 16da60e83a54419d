#!/bin/sh
# The kernel of our own has a driver for every virtio device: what test_devices.sh asks of the stock
# kernel, on the software CPU and under KVM.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kernel=$("$here/../../resources/kernel/build")/vmlinux || exit 1
export kernel
failed=0
accel=emu "$here/test_devices.sh" || failed=1
"$here/test_devices.sh" || failed=1
exit $failed
