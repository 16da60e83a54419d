#!/bin/sh
# Every way a stock guest ends on the software CPU, on this host.
accel=emu exec "$(dirname "$0")/test_boot_end.sh"
