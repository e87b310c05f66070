"""The training of a shared network: resumed bit for bit, with BatchNorm statistics of each path's own."""

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from senet_nas.network.build import build
from senet_nas.network.shared_network import build_shared
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import checkpoint
from senet_nas.training.evaluate import evaluate, prepare
from senet_nas.training.shared_plan import FIGURES, SharedPlan
from senet_nas.training.shared_training import figures, train_shared
from spaces import Architecture
from tests.senet_nas.covering import covering
from tests.senet_nas.recipes import OPTIONS

TASK = Task(DataSpec(dataset="digits", train=300, validation=203), Recipe(epochs=2, batch_size=64))
PLAIN = "cifar_resnet8/-/-/-"
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
PLAN = SharedPlan((PLAIN, SE, "cifar_resnet8/max:eca3:tanh@identity/-/-"), 3)


def slow():
    """A clock by which every step is long enough for a checkpoint."""
    return itertools.count(0, checkpoint.CHECKPOINT_SECONDS).__next__


def numbers(reports):
    return [{name: value for name, value in r.metrics.items() if name != "seconds"} for r in reports]


@pytest.fixture(scope="module")
def uninterrupted():
    return list(train_shared(PLAN, Seed(0), TASK))


def test_a_report_for_each_epoch_then_the_figures_of_each_architecture(uninterrupted):
    assert [(r.epoch, r.done) for r in uninterrupted] == [(n, n == 6) for n in range(1, 7)]
    assert all(set(r.metrics) == set(FIGURES) for r in uninterrupted[3:])
    assert len({r.metrics["train_loss"] for r in uninterrupted[3:]}) == 3


@pytest.mark.parametrize("stops", [[1], [2, 1], [3], [4], [5], [2, 3], [1, 1, 1, 1, 1]])
def test_interrupted_anywhere_it_ends_bit_for_bit_the_same(tmp_path, uninterrupted, stops):
    for stop in stops:
        list(itertools.islice(train_shared(PLAN, Seed(0), TASK, checkpoint=tmp_path, clock=slow()), stop))
    again = list(train_shared(PLAN, Seed(0), TASK, checkpoint=tmp_path, clock=slow()))
    assert numbers(again) == numbers(uninterrupted[sum(stops) :])
    assert again[-1].done


def test_a_kill_after_the_last_evaluation_leaves_something_to_report(tmp_path, uninterrupted):
    list(train_shared(PLAN, Seed(0), TASK, checkpoint=tmp_path, clock=slow()))
    assert numbers(train_shared(PLAN, Seed(0), TASK, checkpoint=tmp_path)) == numbers(uninterrupted[-1:])


@pytest.mark.parametrize(
    ("plan", "seed"), [(replace(PLAN, epochs=4), Seed(0)), (replace(PLAN, architectures=(PLAIN, SE)), Seed(0)),
                       (PLAN, Seed(1))]
)  # fmt: skip
def test_anothers_checkpoint_is_not_gone_on_from(tmp_path, plan, seed):
    list(itertools.islice(train_shared(PLAN, Seed(0), TASK, checkpoint=tmp_path, clock=slow()), 4))
    assert next(train_shared(plan, seed, TASK, checkpoint=tmp_path)).epoch == 1


def test_an_ordinary_training_does_not_take_its_checkpoint(tmp_path):
    list(itertools.islice(train_shared(PLAN, Seed(0), TASK, checkpoint=tmp_path, clock=slow()), 2))
    assert next(evaluate(SE, Seed(0), TASK, checkpoint=tmp_path)).epoch == 1


@pytest.mark.parametrize("options", ["all", "none"])
def test_every_recipe_trains_it(options):
    recipe = replace(TASK.recipe, ema=0.9, **OPTIONS[options])
    *_, last = train_shared(replace(PLAN, epochs=1), Seed(0), replace(TASK, recipe=recipe))
    assert last.done
    assert all(math.isfinite(value) for value in last.metrics.values())


def test_every_operator_trains_and_shows_its_figures():
    plan = SharedPlan(tuple(a.key for a in covering("cifar_resnet8")), 1)
    reports = list(train_shared(plan, Seed(0), replace(TASK, recipe=replace(TASK.recipe, lr=0.01))))
    assert len(reports) == 1 + len(plan.architectures)
    assert all({"val_accuracy", "train_loss", "val_log_loss"} == set(r.metrics) for r in reports[1:])


def test_figures_are_those_of_a_network_with_statistics_of_its_own():
    """With the weights of a path and its statistics over the same images, the network of its own shows the same."""
    data = prepare(TASK)
    path = Architecture.parse(SE)
    shared = build_shared([path], in_channels=1, num_classes=10)
    found = figures(shared, path, data, 2000)
    alone = build(path, in_channels=1, num_classes=10)
    norms = [m for m in alone.modules() if isinstance(m, nn.BatchNorm2d)]
    own = [m for m in shared.network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    from senet_nas.data.batches import normalise

    with torch.no_grad():
        alone.train()(normalise(data.x_train, data))
    for one, two in zip(norms, own, strict=True):
        torch.testing.assert_close(one.running_var, two.running_var)
        torch.testing.assert_close(one.running_mean, two.running_mean)
    assert all(norm.momentum is not None and not norm.training for norm in own)
    from senet_nas.training.validate import validate

    expected = validate(alone, data.x_val, data.y_val, data)
    assert found["val_accuracy"] == pytest.approx(expected.accuracy)
    assert found["val_log_loss"] == pytest.approx(expected.log_loss)


def test_figures_are_measured_on_so_many_images():
    path = Architecture.parse(SE)
    shared = build_shared([path], in_channels=1, num_classes=10)
    assert figures(shared, path, prepare(TASK), 40)["val_accuracy"] * 40 % 100 == pytest.approx(0, abs=1e-6)
    *_, few = train_shared(replace(PLAN, images=50), Seed(0), TASK)
    *_, many = train_shared(PLAN, Seed(0), TASK)
    assert few.metrics["train_loss"] != many.metrics["train_loss"]


def test_figures_do_not_depend_on_what_was_evaluated_before(uninterrupted):
    data = prepare(TASK)
    paths = [Architecture.parse(key) for key in PLAN.architectures]
    shared = build_shared(paths, in_channels=1, num_classes=10)
    forwards = [figures(shared, path, data, 2000) for path in paths]
    backwards = [figures(shared, path, data, 2000) for path in reversed(paths)]
    assert forwards == backwards[::-1]


def test_a_figure_that_is_not_finite_is_left_out():
    data = prepare(TASK)
    shared = build_shared([Architecture.parse(SE)], in_channels=1, num_classes=10)
    with torch.no_grad():
        shared.network.get_submodule("fc").weight.fill_(float("inf"))
    assert set(figures(shared, Architecture.parse(SE), data, 2000)) == {"val_accuracy"}


@pytest.mark.parametrize("freeze", ["none", "norm", "backbone"])
def test_it_begins_with_the_weights_of_a_file_and_keeps_what_is_frozen(tmp_path, freeze):
    theirs = build(PLAIN, in_channels=1, num_classes=10, block_seed=8)
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    task = replace(TASK, init="pretrained", weights=str(tmp_path / "w.safetensors"))
    task = replace(task, recipe=replace(task.recipe, freeze=freeze))
    plan = SharedPlan((PLAIN, SE), 1)
    (tmp_path / "c").mkdir()
    reports = list(train_shared(plan, Seed(0), task, checkpoint=tmp_path / "c", clock=slow()))
    assert len(reports) == 3
    trained, _ = checkpoint.load(tmp_path / "c", owner=checkpoint_owner(tmp_path / "c"))
    kept = {n for n, v in theirs.state_dict().items() if torch.equal(v, trained["model"][f"network.{n}"])}
    norms = {name for name in theirs.state_dict() if "bn" in name}
    head = {"fc.weight", "fc.bias"}
    assert kept == {"none": set(), "norm": norms, "backbone": theirs.state_dict().keys() - head}[freeze]
    assert any(v.any() for n, v in trained["model"].items() if n.startswith("blocks.") and ".fc2." in n)


def checkpoint_owner(folder):
    return json.loads((folder / checkpoint.RECORD).read_text())["owner"]


@pytest.mark.parametrize("freeze", ["norm", "backbone"])
def test_figures_of_frozen_networks_leave_their_statistics_as_they_are(freeze):
    data = prepare(TASK)
    path = Architecture.parse(SE)
    shared = build_shared([path], in_channels=1, num_classes=10)
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    figures(shared, path, data, 100, freeze)
    assert all(torch.equal(value, before[name]) for name, value in shared.state_dict().items())
    figures(shared, path, data, 100)
    assert not torch.equal(shared.network.bn1.running_mean, before["network.bn1.running_mean"])
