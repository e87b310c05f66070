"""Signals in one process; a real run that gets them is in test_cli.py."""

import os
import signal
import sys
import threading
import types

import pytest

from search.execute import signals
from search.execute.signals import NAMES, Interrupted

# A frame, as far as anybody looks at it.
IMPORTING = types.SimpleNamespace(f_code=types.SimpleNamespace(co_filename="<frozen importlib._bootstrap>"))


@pytest.mark.parametrize("number", NAMES)
def test_where_nothing_trains_the_first_one_ends_it_at_once(number):
    with signals.taken() as taken, pytest.raises(Interrupted) as caught:
        os.kill(os.getpid(), number)
    assert (caught.value.signal_number, caught.value.twice, taken.first) == (number, False, number)
    assert isinstance(caught.value, KeyboardInterrupt)


@pytest.mark.parametrize("number", NAMES)
def test_while_it_trains_the_first_one_stops_cleanly_and_the_second_ends_it(number):
    stopped = []
    with signals.taken() as taken, taken.stopping(lambda: stopped.append(1)):
        os.kill(os.getpid(), number)
        assert (stopped, taken.first) == ([1], number)
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
    assert stopped == [1]
    assert (caught.value.signal_number, caught.value.twice) == (number, True)


def test_what_was_ignored_stays_ignored_and_all_is_as_before_afterwards():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        handlers = [signal.getsignal(name) for name in NAMES]
        with signals.taken() as taken:
            os.kill(os.getpid(), signal.SIGHUP)
            assert taken.first is None
        assert [signal.getsignal(name) for name in NAMES] == handlers
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_that_a_library_took_are_taken_back():
    with signals.taken() as taken:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        taken.install()
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)


def test_another_thread_takes_none():
    found = []

    def work():
        with signals.taken() as taken:
            found.append(taken.first)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]


class Dying:
    """An exception of a ``__del__`` goes nowhere."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_python_dropped_is_heard_when_training_begins(monkeypatch):
    monkeypatch.setattr(signals, "SOON", 60.0)  # training begins before it comes again, on a busy machine too
    stopped = []
    with signals.taken() as taken:
        Dying()
        assert taken.first == signal.SIGINT
        with taken.stopping(lambda: stopped.append(1)):
            with pytest.raises(Interrupted) as caught:
                os.kill(os.getpid(), signal.SIGINT)
            assert caught.value.twice
    assert stopped == [1]


def test_a_signal_that_python_dropped_comes_again_and_counts_once():
    with signals.taken() as taken:
        with pytest.raises(Interrupted) as caught:
            Dying()
            threading.Event().wait(60)
        assert (caught.value.twice, taken.first) == (False, signal.SIGINT)


def test_the_second_signal_ends_it_at_once_though_python_dropped_it():
    stopped = []
    with signals.taken() as taken, taken.stopping(lambda: stopped.append(1)):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            Dying()
            threading.Event().wait(60)
        assert caught.value.twice
    assert stopped == [1]


def test_what_else_python_drops_is_told_as_ever():
    class Wrong:
        def __del__(self):
            raise ValueError("of somebody else")

    heard, before = [], sys.unraisablehook
    sys.unraisablehook = heard.append
    try:
        with signals.taken():
            Wrong()
        assert [type(dropped.exc_value) for dropped in heard] == [ValueError]
        assert sys.unraisablehook == heard.append
    finally:
        sys.unraisablehook = before


def test_the_import_system_is_not_interrupted_between_two_of_its_lines():
    """Its lock would never be given back. The signal comes again a moment later."""
    with signals.taken() as taken:
        with pytest.raises(Interrupted):
            taken._handle(signal.SIGINT, IMPORTING)
            heard = taken.first
            threading.Event().wait(60)
        assert heard is None
    assert taken.first == signal.SIGINT


def test_nor_is_it_by_the_second_signal():
    stopped = []
    with signals.taken() as taken, taken.stopping(lambda: stopped.append(1)):
        taken._handle(signal.SIGTERM, IMPORTING)  # raises nothing, so it need not wait
        assert stopped == [1]
        with pytest.raises(Interrupted) as caught:
            taken._handle(signal.SIGTERM, IMPORTING)
            threading.Event().wait(60)
        assert caught.value.twice
