#!/bin/sh
# A stock guest and its disks on the software CPU, on this host.
accel=emu exec "$(dirname "$0")/test_disk.sh" "$@"
