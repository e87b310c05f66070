"""Runs a command in a network namespace that has only the loopback interface: ``python offline.py COMMAND ...``.

Needs the right to make one (root, or CAP_SYS_ADMIN); exits with 77 where it is missing.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
UP_AND_RUNNING = 0x41


def main(command: list[str]) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit(77)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", UP_AND_RUNNING, b""))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
