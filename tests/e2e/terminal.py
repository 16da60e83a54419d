"""A program on a pseudoterminal, talked to as a person would, and the checks that say how that went."""

import os
import pty
import re
import select
import subprocess
import sys
import time

LIMIT = 120  # seconds for any answer


class Terminal:
    """A program on a pseudoterminal, talked to as a person would: wait for words, type."""

    def __init__(self, command):
        self.fd, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, pattern):
        """True once the words since the last match hold the pattern."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end() :]
                return True
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:  # the other side is closed
                    return False
                self.seen += data.decode(errors="replace")
        return False

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            return None


failures = 0


def check(what, good, terminal):
    global failures
    print(f"{'ok' if good else 'FAILED'}: {what}")
    if not good:
        failures += 1
        print("    last seen:", repr(terminal.seen[-600:]))


def conclude():
    sys.exit(1 if failures else 0)
