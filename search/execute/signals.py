"""Signals that end a run: the first SIGINT, SIGTERM or SIGHUP stops it cleanly, the second at once.

While nothing is trained (data are loaded, Ray starts), the first one already ends it at once.
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

# Seconds after which a signal is sent again that could not be raised where it came.
SOON = 0.05
NAMES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal ended the run early; the same command resumes it. ``twice``: it is the second signal.

    A KeyboardInterrupt, so that no library in between takes it for an error of its own.
    """

    def __init__(self, signal_number: int, *, twice: bool = False) -> None:
        super().__init__(f"ended by signal {signal_number}")
        self.signal_number = signal_number
        self.twice = twice


class Signals:
    """The signals that came. ``first`` is the one that ends the run, or None."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._stop: Callable[[], None] | None = None
        self._unheard: int | None = None  # to be sent again
        self._is_first_again = False

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While this is open, the first signal calls ``stop`` instead of ending everything at once.

        An earlier signal whose Interrupted was lost counts now.
        """
        self._stop = stop
        try:
            if self.first is not None:
                self.forget()
                stop()
            yield
        finally:
            self._stop = None

    def install(self) -> None:
        """Handles the signals, also if a library handles them now. An ignored one (nohup) stays ignored."""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may handle signals
        for name in NAMES:
            if signal.getsignal(name) != signal.SIG_IGN:
                signal.signal(name, self._handle)

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """While this is open, a signal is sent again if its exception was dropped.

        Python drops an exception in a weakref callback or in ``__del__``, and passes it to a hook.
        """
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
            if self.first is not None:  # it is known, so it need not be sent again
                self.forget()

    def forget(self) -> None:
        """Sends no signal again."""
        self._unheard = None
        self._is_first_again = False

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
        """Sends a signal again, from a bare thread: one of ``threading`` takes locks, which may be held just now."""
        self._unheard = number
        _thread.start_new_thread(self._after_a_moment, ())

    def _after_a_moment(self) -> None:
        time.sleep(SOON)
        number = self._unheard
        self._unheard = None
        if number is not None:
            os.kill(os.getpid(), number)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether this is code of the import system.

    Interrupted there, it might never release its lock, for which other threads wait.
    """
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")


@contextmanager
def taken() -> Iterator[Signals]:
    """Handles the signals while this is open; the earlier handlers come back afterwards."""
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
