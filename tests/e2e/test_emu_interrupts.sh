#!/bin/sh
# A stock guest without a part of its interrupt controllers or clocks on the software CPU, on this
# host.
accel=emu exec "$(dirname "$0")/test_interrupts.sh"
