"""Which GPUs get no further training; and what a worker tells about its own survives Ray's messages."""

import itertools

import pytest

from search.execute.ray import gpu_health
from search.execute.ray.gpu_health import GpuHealth
from search.execute.worker import GpuFailed


def seconds(step=10.0):
    """A clock that goes on by so much whenever it is read."""
    return itertools.count(0.0, step).__next__


def test_one_fault_that_ends_all_programs_of_a_gpu_counts_once():
    health = GpuHealth(seconds(0.5))
    health.worked("node/1")
    for uid in ("t1", "t2", "t3", "t4"):
        health.failed("node/0", uid)
    assert health.barred == []


def test_two_failures_in_a_row_bar_a_gpu_and_that_is_told_once():
    health = GpuHealth(seconds())
    health.worked("node/1")
    health.failed("node/0", "t1")
    assert health.news() == []
    health.failed("node/0", "t1")
    assert health.news() == ["node/0"]
    health.failed("node/0", "t3")
    health.worked("node/0")
    assert health.news() == []
    assert health.barred == ["node/0"]


def test_a_success_between_two_failures_counts():
    health = GpuHealth(seconds())
    health.failed("node/0", "t1")
    health.worked("node/0")
    health.failed("node/0", "t2")
    health.failed("node/1", "t3")
    assert health.barred == []


def test_a_training_that_fails_everywhere_bars_no_gpu():
    health = GpuHealth(seconds())
    health.worked("node/1")
    health.failed("node/0", "t1")
    health.failed("node/0", "t1")
    assert health.barred == ["node/0"]
    health.failed("node/1", "t1")
    health.failed("node/0", "t2")
    assert health.barred == []


def test_the_only_gpu_is_barred_after_two_trainings_and_the_first_of_two_as_soon_as_the_second_works():
    health = GpuHealth(seconds())
    health.failed("node/0", "t1")
    health.failed("node/0", "t1")
    assert health.barred == []
    health.worked("node/1")
    assert health.barred == ["node/0"]
    alone = GpuHealth(seconds())
    alone.failed("node/0", "t1")
    alone.failed("node/0", "t2")
    assert alone.barred == ["node/0"]


def test_what_a_worker_tells_is_found_in_its_traceback():
    told = GpuFailed(gpu_health.telling("ab12/MIG-7", GpuFailed("CUDA error: unspecified launch failure")))
    message = f"ray::Slot.train() (pid=1)\n  File x\nsearch.execute.worker.GpuFailed: {told}\n"
    assert gpu_health.told(message) == ("ab12/MIG-7", "CUDA error: unspecified launch failure")


@pytest.mark.parametrize("message", ["", "its node has died", "RuntimeError: CUDA error"])
def test_other_messages_tell_of_no_gpu(message):
    assert gpu_health.told(message) is None
