"""Signals in one process; a real run that gets them is in test_cli.py."""

import os
import signal
import threading

import pytest

from search import signals
from search.signals import NAMES, Interrupted


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
