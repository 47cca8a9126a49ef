"""Runs a command in a pseudo-terminal of 120 columns and prints what it printed: ledger_viz.py asks its terminal for the width.

usage: in_terminal.py COMMAND [ARGUMENT…]          (the exit code is the command's; Linux and macOS)
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

ROWS, COLUMNS = 40, 120


def read_all(terminal: int) -> bytes:
    """Until the other end is closed: Linux calls that an error, macOS the end."""
    output = b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            return output
        if not read:
            return output
        output += read


def main(command: list[str]) -> int:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE) as child:
        os.close(theirs)
        sys.stdout.buffer.write(read_all(ours))
        assert child.stderr is not None
        sys.stderr.buffer.write(child.stderr.read())
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
