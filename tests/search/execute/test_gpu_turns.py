"""Turns on a GPU: between processes, through locks that a kill gives back."""

import multiprocessing
import threading

import pytest

from search.execute.gpu_turns import GpuTurn


def taken(turn: GpuTurn, seconds: float = 0.3, *, alone: bool = False) -> bool:
    """Whether a turn comes within so many seconds."""
    waiting = threading.Thread(target=lambda: turn.take(alone=alone), daemon=True)
    waiting.start()
    waiting.join(seconds)
    return not waiting.is_alive()


@pytest.fixture
def turns(tmp_path, monkeypatch):
    monkeypatch.setattr("search.execute.gpu_turns.LOOK_SECONDS", 0.01)
    made = [GpuTurn("0", tmp_path) for _ in range(4)]
    yield made
    for turn in made:
        turn.give_back()


def test_many_train_at_once(turns):
    assert all(taken(turn) for turn in turns)


def test_one_that_must_be_alone_waits_for_the_others_and_the_next_wait_for_it(turns):
    first, second, alone, late = turns
    first.take(alone=False)
    second.take(alone=False)
    waiting = threading.Thread(target=lambda: alone.take(alone=True))
    waiting.start()
    first.give_back()
    assert not taken(late)  # it does not overtake
    second.give_back()
    waiting.join(5)
    assert not waiting.is_alive()
    alone.give_back()
    assert taken(GpuTurn("0", late._use.parent), 5)


def test_another_gpu_goes_on(turns, tmp_path):
    turns[0].take(alone=True)
    assert not taken(turns[1])
    assert taken(GpuTurn("1", tmp_path))


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
    assert ready.wait(10)
    assert not taken(turns[0])
    process.kill()
    process.join()
    assert taken(turns[1], 5)
