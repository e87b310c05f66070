"""Signals that end a run: the first SIGINT, SIGTERM or SIGHUP stops it cleanly, the second at once.

Where nothing is trained (while data are loaded, while Ray starts) the first one already ends it at once.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SOON = 0.05  # seconds
NAMES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal ended the run early. It goes on when the same command is typed again. ``twice``: somebody insists.

    A KeyboardInterrupt, so that no library between the signal and us takes it for an error of its own.
    """

    def __init__(self, signal_number: int, *, twice: bool = False) -> None:
        super().__init__(f"ended by signal {signal_number}")
        self.signal_number, self.twice = signal_number, twice


class Signals:
    """What came in. ``first`` is the signal that ends the run, or None."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._stop: Callable[[], None] | None = None

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While it is open the first signal calls ``stop`` instead of ending everything at once. One that came before, and
        that Python dropped (it was raised in a weakref callback or a ``__del__``), is heard now."""
        self._stop = stop
        try:
            if self.first is not None:
                stop()
            yield
        finally:
            self._stop = None

    def install(self) -> None:
        """Takes the signals, also back from a library that took them. What is ignored (nohup) stays so."""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may; whoever runs a search in another one stops it in its own way
        for name in NAMES:
            if signal.getsignal(name) != signal.SIG_IGN:
                signal.signal(name, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._stop is None and frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            # Raised between two lines of the import system, its lock would never be given back: other threads would wait.
            again = threading.Timer(_SOON, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        is_first = self.first is None
        self.first = self.first or number
        if self._stop is None or not is_first:
            raise Interrupted(self.first, twice=not is_first)
        self._stop()


@contextmanager
def taken() -> Iterator[Signals]:
    """The signals are ours while this is open."""
    signals = Signals()
    before = {name: signal.getsignal(name) for name in NAMES}
    signals.install()
    try:
        yield signals
    finally:
        if threading.current_thread() is threading.main_thread():
            for name, handler in before.items():
                signal.signal(name, handler)
