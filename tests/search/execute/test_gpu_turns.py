"""Turns on a GPU: between processes, through locks that a kill gives back."""

import fcntl
import multiprocessing
import threading
import time

import pytest

from search.execute.gpu_turns import GpuTurn

# Seconds within which a turn that is free comes, on a busy machine too; and for which one that is held is waited for.
FREE, HELD = 60.0, 0.3


def taken(turn: GpuTurn, seconds: float) -> bool:
    """Whether a turn comes within so many seconds."""
    waiting = threading.Thread(target=lambda: turn.take(alone=False), daemon=True)
    waiting.start()
    waiting.join(seconds)
    return not waiting.is_alive()


def somebody_waits(turn: GpuTurn) -> bool:
    """Whether somebody keeps the queue of a GPU: who waits to be alone, once the thread has come that far."""
    with turn._queue.open("a") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def turns(tmp_path, monkeypatch):
    monkeypatch.setattr("search.execute.gpu_turns.LOOK_SECONDS", 0.01)
    made = [GpuTurn("0", tmp_path) for _ in range(4)]
    yield made
    for turn in made:
        turn.give_back()


def test_many_train_at_once(turns):
    assert all(taken(turn, FREE) for turn in turns)


def test_one_that_must_be_alone_waits_for_the_others_and_the_next_wait_for_it(turns):
    first, second, alone, late = turns
    first.take(alone=False)
    second.take(alone=False)
    waiting = threading.Thread(target=lambda: alone.take(alone=True))
    waiting.start()
    deadline = time.monotonic() + FREE
    while not somebody_waits(alone):
        assert time.monotonic() < deadline, "it does not wait"
        threading.Event().wait(0.01)  # between two looks; nothing else tells that it has come that far
    first.give_back()
    assert not taken(late, HELD)  # it does not overtake
    second.give_back()
    waiting.join(FREE)
    assert not waiting.is_alive()
    alone.give_back()
    assert taken(GpuTurn("0", late._use.parent), FREE)


def test_another_gpu_goes_on(turns, tmp_path):
    turns[0].take(alone=True)
    assert not taken(turns[1], HELD)
    assert taken(GpuTurn("1", tmp_path), FREE)


def test_it_does_not_wait_for_ever(turns):
    turns[0].take(alone=False)
    turns[1].take(alone=True, longest=0.05)


def _hold(folder, ready):
    turn = GpuTurn("0", folder)
    turn.take(alone=True)
    ready.set()
    threading.Event().wait()


def test_a_process_that_dies_gives_its_turn_back(turns, tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, ready), daemon=True)
    process.start()
    assert ready.wait(FREE)
    assert not taken(turns[0], HELD)
    process.kill()
    process.join()
    assert taken(turns[1], FREE)
