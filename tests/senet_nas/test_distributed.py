"""Two processes train as one does with the same batches: the same gradients, and curves as close as two seeds'."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from senet_nas.data.batches import batches
from senet_nas.data.load import load
from senet_nas.distributed import ALONE, Group
from senet_nas.recipe import DataSpec, Recipe, Seed
from tests.senet_nas import together
from tests.senet_nas.recipes import OPTIONS


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes have trained together."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "tests.senet_nas.together"]
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([*command, str(rank), str(folder)], cwd=root, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert "Warning" not in said
    return folder


def largest(ours, theirs):
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).norm() / theirs[name].norm()) for name in theirs)


def test_with_frozen_statistics_the_gradients_are_those_of_one_process_with_the_same_batch(pair):
    alone, training = together.frozen(ALONE)
    for rank in range(2):
        assert largest(load_file(pair / f"gradients-{rank}"), alone) < 1e-5
    ours, theirs = load_file(pair / "frozen-0"), together.state(training)
    for name, value in theirs.items():  # after eight steps, too
        if value.is_floating_point():
            assert torch.allclose(ours[name], value, rtol=1e-3, atol=1e-5), name
    assert torch.equal(ours["generator"], theirs["generator"])


def test_with_live_statistics_the_curve_is_within_the_noise_of_seeds(pair):
    """At each epoch its loss is no farther from one process's of the same seed than three deviations between seeds."""
    ours = json.loads((pair / "curve-0.json").read_text())
    alone = [together.curve(Seed(0, replicate))[0] for replicate in range(5)]
    for epoch, found in enumerate(ours):
        losses = [curve[epoch]["train_loss"] for curve in alone]
        assert abs(found["train_loss"] - losses[0]) < 3 * statistics.stdev(losses), (epoch, found, losses)
    accuracies = [curve[-1]["val_accuracy"] for curve in alone]
    assert abs(ours[-1]["val_accuracy"] - accuracies[0]) < 3 * statistics.stdev(accuracies) + 1


def test_after_an_epoch_all_are_in_the_same_state_and_report_the_same(pair):
    one, other = (load_file(pair / f"state-{rank}") for rank in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    curves = [json.loads((pair / f"curve-{rank}.json").read_text()) for rank in range(2)]
    for a, b in zip(*curves, strict=True):
        assert {n: v for n, v in a.items() if n != "seconds"} == {n: v for n, v in b.items() if n != "seconds"}


def test_stopped_and_gone_on_with_they_end_with_the_same_weights(pair):
    whole, part = (load_file(pair / f"{name}.safetensors") for name in ("whole", "part"))
    assert all(torch.equal(whole[name], part[name]) for name in whole)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("name", OPTIONS)
def test_parts_are_the_whole_batch_in_its_order(size, name):
    data = load(DataSpec(dataset="digits", train=100, validation=50))
    recipe = Recipe(batch_size=40, **OPTIONS[name])

    def epoch(group):
        return [*batches(data.x_train, data.y_train, data, recipe, torch.Generator().manual_seed(3), group=group)]

    parts = [epoch(Group(rank, size)) for rank in range(size)]
    for (x, y), *own in zip(epoch(ALONE), *parts, strict=True):
        assert torch.equal(torch.cat([part for part, _ in own]), x)
        assert torch.equal(torch.cat([labels for _, labels in own]), y)
