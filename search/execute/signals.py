"""Signals that end a run: the first SIGINT, SIGTERM or SIGHUP stops it cleanly, the second at once.

Where nothing is trained (while data are loaded, while Ray starts) the first one already ends it at once.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# What cannot be raised where it came is sent again after so many seconds: by then that place is left.
SOON = 0.05
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
        self._unheard: int | None = None  # to be sent again
        self._is_first_again = False

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While it is open the first signal calls ``stop`` instead of ending everything at once. One that came before, and
        whose Interrupted went nowhere, is heard now."""
        self._stop = stop
        try:
            if self.first is not None:
                self.forget()
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

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Python drops what is raised in a weakref callback or a ``__del__``, and tells a hook: such a signal comes again."""
        before = sys.unraisablehook

        def hear(dropped: "sys.UnraisableHookArgs") -> None:
            if isinstance(dropped.exc_value, Interrupted):
                self._is_first_again = not dropped.exc_value.twice
                self._send_again(dropped.exc_value.signal_number)
            else:
                before(dropped)

        sys.unraisablehook = hear
        try:
            yield
        finally:
            sys.unraisablehook = before
            if self.first is not None:  # that is enough for whoever looks now
                self.forget()

    def forget(self) -> None:
        """Sends nothing again."""
        self._unheard, self._is_first_again = None, False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        is_first = self.first is None or self._is_first_again
        stop = self._stop if is_first else None
        if stop is None and _is_importing(frame):
            self._send_again(number)
            return
        self.first = self.first or number
        self._is_first_again = False
        if stop is None:
            raise Interrupted(self.first, twice=not is_first)
        stop()

    def _send_again(self, number: int) -> None:
        """From a bare thread: one of threading's takes locks, and who holds them just now nobody knows."""
        self._unheard = number
        _thread.start_new_thread(self._after_a_moment, ())

    def _after_a_moment(self) -> None:
        time.sleep(SOON)
        number, self._unheard = self._unheard, None
        if number is not None:
            os.kill(os.getpid(), number)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether this is code of the import system: interrupted between two of its lines it would never give its lock back, and
    other threads would wait for that."""
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")


@contextmanager
def taken() -> Iterator[Signals]:
    """The signals are ours while this is open."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {name: signal.getsignal(name) for name in NAMES}
    signals.install()
    try:
        with signals.hearing():
            yield signals
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
