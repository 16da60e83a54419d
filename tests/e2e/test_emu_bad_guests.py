#!/usr/bin/env python3
"""Guests that behave badly on the software CPU: each dies as it would on hardware, mote says so in one
line, and one that will not end by itself is ended by SIGTERM and by Ctrl-A x all the same.

A guest is a kernel of a few instructions, entered by PVH: 32-bit, flat, interrupts off."""

import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time

LIMIT = 60  # seconds for any answer
ROOT = pathlib.Path(__file__).resolve().parents[2]
MOTE = os.environ.get("MOTE") or ROOT / "build/release/mote"
ENTRY = 0x100000

SAY_UP = b"\x66\xba\xf8\x03\xb0u\xee\xb0p\xee"  # mov dx, 0x3f8; "up" through al
POWER_OFF = b"\x66\xba\x05\x06\xb0\x34\xee\xeb\xfe"  # ACPI PM1 control: S5; jmp .

CLI_HLT = b"\xfa\xf4\xeb\xfc"
SPIN = b"\xeb\xfe"
REPEAT = b"\xb9\xff\xff\xff\xff\xbf\x00\x00\x00\xd0\xf3\xaa\xeb\xf2"  # rep stosb to nowhere, again
# lidt; mov esp; ud2, whose gate leads back to the mov. The limit, base and gate lie behind.
UD_LOOP = (
    b"\x0f\x01\x1d" + struct.pack("<I", ENTRY + 0x40) + b"\xbc\x00\x00\x20\x00" + b"\x0f\x0b"
)


def ud_loop():
    start = SAY_UP + UD_LOOP
    handler = ENTRY + len(start) - 7  # mov esp: the stack begins anew
    gate = struct.pack("<HHBBH", handler & 0xFFFF, 0x10, 0, 0x8E, handler >> 16)
    table = start.ljust(0x40, b"\0") + struct.pack("<HI", 0x7FF, ENTRY + 0x50 - 6 * 8)
    return table.ljust(0x50, b"\0") + gate


# mov eax, CR3; mov cr3, eax; cr0.PG on: not even the next instruction can be fetched.
TABLES_OUTSIDE = (
    b"\xb8\x00\x00\x00\x7f\x0f\x22\xd8\x0f\x20\xc0\x0d\x00\x00\x00\x80\x0f\x22\xc0" + POWER_OFF
)
# Loads give all ones, or it does not come to the end; stores and ports go nowhere.
NOWHERE = (
    b"\xa1\x00\x00\x00\xd0\xa3\x00\x00\x00\xd0\x40\x75\x0c"  # mov, mov, inc eax, jnz fail
    b"\x66\xba\x21\x43\xed\xef\x40\x75\x02"  # in eax, dx; out; inc eax; jnz fail
    b"\xeb\x02\x0f\x0b" + POWER_OFF
)
JUMP_NOWHERE = b"\xb8\x00\x00\x00\xd0\xff\xe0"


def kernel(code):
    """An ELF file with the code at ENTRY, and the note that names it as PVH's entry."""
    note = struct.pack("<III", 4, 8, 18) + b"Xen\0" + struct.pack("<Q", ENTRY)
    at = 64 + 2 * 56
    header = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, ENTRY, 64, 0, 0, 64, 56, 2, 64, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 7, at, ENTRY, ENTRY, len(code), len(code), 1)
    notes = struct.pack("<IIQQQQQQ", 4, 4, at + len(code), 0, 0, len(note), len(note), 4)
    return header + load + notes + code + note


class Guest:
    """mote with such a kernel, on pipes, or with its input and output on a terminal."""

    def __init__(self, code, folder, *options, terminal=False):
        path = folder / "kernel"
        path.write_bytes(kernel(code))
        self.terminal, theirs = pty.openpty() if terminal else (None, subprocess.DEVNULL)
        self.process = subprocess.Popen(
            [MOTE, "run", "--accel", "emu", "--kernel", path, "--mem", "64M", *options],
            stdin=theirs,
            stdout=theirs if terminal else subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if terminal:
            os.close(theirs)
        self.out = self.terminal if terminal else self.process.stdout.fileno()

    def is_up(self):
        """Waits until the guest has said so."""
        seen = b""
        end = time.monotonic() + LIMIT
        while b"up" not in seen and time.monotonic() < end:
            if select.select([self.out], [], [], 1)[0]:
                seen += os.read(self.out, 4096)
        return b"up" in seen

    def end(self):
        """The status, or None where mote goes on, and what it said."""
        try:
            _, err = self.process.communicate(timeout=LIMIT)
            status = self.process.returncode
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, err = self.process.communicate()
            status = None
        if self.terminal:
            os.close(self.terminal)
        return status, err.decode(errors="replace").splitlines()


failures = 0


def check(what, good, seen):
    global failures
    print(f"{'ok' if good else 'FAILED'}: {what}")
    if not good:
        failures += 1
        print("    seen:", seen)


def ends_when_told(name, code, folder, *options):
    guest = Guest(SAY_UP + code, folder, *options)
    up = guest.is_up()
    guest.process.send_signal(signal.SIGTERM)
    seen = guest.end()
    check(f"{name}: SIGTERM ends mote, which dies of it", up and seen[0] == -15, seen)

    guest = Guest(SAY_UP + code, folder, *options, terminal=True)
    up = guest.is_up()
    os.write(guest.terminal, b"\x01x")
    seen = guest.end()
    check(f"{name}: Ctrl-A x ends mote with status 0", up and seen[0] == 0, seen)


def dies(name, code, folder):
    status, lines = Guest(code, folder).end()
    told = [line for line in lines if "triple fault" in line]
    check(f"{name}: the guest died, status 1 and one line say so", status == 1 and len(told) == 1, lines)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ends_when_told("cli; hlt", CLI_HLT, folder)
        ends_when_told("jmp .", SPIN, folder)
        ends_when_told("jmp . beside a processor that never starts", SPIN, folder, "--vcpus", "2")
        ends_when_told("a repetition without end", REPEAT, folder)
        ends_when_told("a fault whose handler faults", ud_loop()[len(SAY_UP) :], folder)
        dies("an undefined opcode without a handler", b"\x0f\x0b", folder)
        dies("page tables outside RAM", TABLES_OUTSIDE, folder)
        dies("code where nothing is", JUMP_NOWHERE, folder)
        seen = Guest(NOWHERE, folder).end()
        check("accesses to nowhere, then power off: status 0 and no word", seen == (0, []), seen)
    sys.exit(1 if failures else 0)


main()
