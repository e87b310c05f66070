"""What a page needs that this computer alone can open: a free port, an end by Ctrl-C or a signal, a browser."""

import os
import signal
import socket
import sys
import webbrowser

from spaces.errors import ENVIRONMENT, UserError

HOST = "127.0.0.1"
TRIED = 100


def free_port(preferred: int) -> int:
    """The preferred port of the loopback interface, or the next one that is free. Raises UserError (ENVIRONMENT)."""
    for port in range(preferred, preferred + TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise UserError(
        f"no free port from {preferred} to {preferred + TRIED - 1}",
        hint="choose another with --port, from 1024 on",  # those below are not for everybody
        code=ENVIRONMENT,
    )


def end_by_signals() -> None:
    """From now on SIGTERM and SIGHUP end the program as Ctrl-C does: by a KeyboardInterrupt."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def show(address: str) -> None:
    """Opens an address in the browser of the desktop. Without a desktop, nothing happens: no browser in a terminal."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)
