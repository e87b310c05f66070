from dataclasses import replace

import pytest
import torch

from senet_nas.costs import threads
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec, Recipe, Task

TASK = Task(DataSpec(dataset="digits", train=300, validation=100), Recipe(batch_size=32))


def fastest(monkeypatch, seconds):
    """The chosen number of threads, given the seconds of a training for each number."""
    asked = []

    def measured(*_):
        asked.append(torch.get_num_threads())
        return seconds[asked[-1]]

    monkeypatch.setattr(threads, "_seconds", measured)
    found = threads.fastest("any", load(TASK.data), replace(TASK, threads=max(seconds)))
    return found, asked


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_powers_of_two_are_tried_and_all(most, expected):
    assert threads.candidates(most) == expected


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 4.0, 2: 2.0, 4: 1.0}, 4),
        ({1: 1.0, 2: 2.0, 4: 4.0}, 1),
        ({1: 1.0, 2: 0.98, 4: 0.97}, 1),
        ({1: 4.0, 2: 2.0, 3: 3.0}, 2),
    ],
)
def test_the_fastest_is_taken_and_more_only_where_they_are_worth_it(monkeypatch, seconds, best):
    before = torch.get_num_threads()
    assert fastest(monkeypatch, seconds) == (best, sorted(seconds))
    assert torch.get_num_threads() == before


def test_real_trainings_are_timed_after_their_first_epoch():
    ticks = iter([0.0, 100.0, 101.0, 103.0])
    found = threads._seconds("cifar_resnet8/-/-/-", load(TASK.data), TASK, ticks.__next__)
    assert found == 1.0


def test_a_learning_rate_that_diverges_is_no_failure_of_the_measurement():
    task = replace(TASK, recipe=replace(TASK.recipe, lr=100.0, backbone_lr=100.0))
    assert threads._seconds("cifar_resnet8/-/-/-", load(TASK.data), task, iter(range(4)).__next__) == 1
