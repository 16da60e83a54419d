#!/bin/sh
# A stock guest and its devices on the software CPU, on this host.
accel=emu exec "$(dirname "$0")/test_devices.sh"
