"""A function of the user's that gets the network: what it is given, and how its training pauses, continues and ends."""

import itertools
import pickle

import pytest
import torch
from safetensors.torch import load_file

from search.execute.user_function import UserFunction
from search.execute.worker import work
from search.state.records import Assignment
from senet_nas.network.build import build
from senet_nas.recipe import Seed
from senet_nas.training import checkpoint
from senet_nas.training.own_task import OwnTask
from spaces import UserError

NET = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/-"
TASK = OwnTask(epochs=3, shape=(1, 8, 8), num_classes=4)
MODULE = """
import random
import numpy as np
import torch

seen = []

def train(network, seed, training):
    seen.append(seed)
    head = torch.nn.Linear(4, 4)
    optimizer = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=training.n_epochs)
    for epoch in training.epochs(optimizer=optimizer, schedule=schedule, head=head):
        x = torch.randn(8, 1, 8, 8) + random.random() + np.random.rand()
        loss = head(network.train()(x)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {"mean_iou": 50.0 + epoch, "train_loss": loss.item()}
        schedule.step()  # after the report: it belongs to the epoch all the same

def once(architecture, network):
    return {"mean_iou": len(architecture.blocks), "here": float(torch.get_num_threads())}

def too_much(network, seed, data, model): ...
def no_network(seed, training): ...
def returns(network, training):
    return {"mean_iou": 1.0}
def no_loop(network, training):
    yield {"mean_iou": 1.0}
def twice(network, training):
    for epoch in training.epochs():
        yield {"mean_iou": 1.0}
        yield {"mean_iou": 2.0}
def silent(network, training):
    for epoch in training.epochs():
        if epoch == 1:
            yield {"mean_iou": 1.0}
def early(network, training):
    for epoch in training.epochs():
        yield {"mean_iou": 1.0}
        break
def stateless(network, training):
    for epoch in training.epochs(optimizer=3):
        yield {"mean_iou": 1.0}
class Odd:
    def state_dict(self): return {"draw": torch.Generator()}
    def load_state_dict(self, state): ...
def unkept(network, training):
    for epoch in training.epochs(odd=Odd()):
        yield {"mean_iou": 1.0}
"""


@pytest.fixture
def function(tmp_path):
    """The evaluator of a function of the module."""
    (tmp_path / "given_networks.py").write_text(MODULE)
    return lambda name="train", **more: UserFunction(
        f"given_networks:{name}", str(tmp_path), ("mean_iou",), more.pop("task", TASK)
    )


def told(reports):
    """All but the seconds of an epoch."""
    return [
        (report.epoch, {name: value for name, value in report.metrics.items() if name != "seconds"}, report.done)
        for report in reports
    ]


@pytest.fixture
def whole(function, tmp_path):
    """The reports and the weights of a training that nothing interrupted."""
    reports = told(function()(NET, Seed(2, 1), weights=tmp_path / "whole.safetensors"))
    return reports, load_file(tmp_path / "whole.safetensors")


def same(weights, path):
    found = load_file(path)
    return weights.keys() == found.keys() and all(torch.equal(found[name], weights[name]) for name in found)


def test_each_epoch_is_reported_and_the_weights_are_those_of_the_network(whole, function):
    reports, weights = whole
    network = build(NET, in_channels=1, num_classes=4, block_seed=2)
    assert [(epoch, done) for epoch, _, done in reports] == [(1, False), (2, False), (3, True)]
    assert [metrics["val_mean_iou"] for _, metrics, _ in reports] == [51.0, 52.0, 53.0]
    assert reports[-1][1]["params"] == sum(parameter.numel() for parameter in network.parameters())
    assert weights.keys() == network.state_dict().keys()
    assert told(function()(NET, Seed(2, 1))) == reports
    assert told(function()(NET, Seed(2, 2))) != reports


def test_a_function_gets_what_it_names(function):
    (report,) = function("once")(NET, Seed(0))
    assert report.metrics["val_mean_iou"] == 3
    assert report.done
    assert function().taken == ("seed", "network", "training")
    assert (function().can_pause, function("once").can_pause) == (True, False)
    assert pickle.loads(pickle.dumps(function())) == function()


def test_slots_and_cluster_decide_threads_and_device(function):
    moved = function().with_slots(3, 0.0).on_cluster("cuda", "key").with_inputs((3, 32, 32), 7).task
    assert (moved.threads, moved.device, moved.shape, moved.num_classes) == (3, "cuda", (3, 32, 32), 7)


@pytest.mark.parametrize("pauses", [(1,), (2,), (1, 2)])
def test_a_training_that_paused_ends_as_if_it_had_not(pauses, function, whole, tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    reports = []
    for until in (*pauses, None):
        weights = None if until else tmp_path / "continued.safetensors"
        reports += told(function()(NET, Seed(2, 1), weights=weights, checkpoint=folder, until=until))
    assert reports == whole[0]
    assert same(whole[1], tmp_path / "continued.safetensors")


def test_one_that_was_interrupted_after_its_checkpoint_reports_the_pause_again(function, whole, tmp_path):
    first = told(function()(NET, Seed(2, 1), checkpoint=tmp_path, until=2))
    again = told(function()(NET, Seed(2, 1), checkpoint=tmp_path, until=2))
    assert first == whole[0][:2]
    assert again == first[1:]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_that_was_killed_goes_on_from_its_checkpoint(epochs, function, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    killed = function()(NET, Seed(2, 1), checkpoint=tmp_path)
    list(itertools.islice(killed, epochs))
    killed.close()
    found = checkpoint.epochs(tmp_path)
    assert found == epochs - 1  # an epoch is kept once the function asks for the next one
    reports = told(function()(NET, Seed(2, 1), checkpoint=tmp_path, weights=tmp_path / "weights.safetensors"))
    assert reports == whole[0][found:]
    assert same(whole[1], tmp_path / "weights.safetensors")


def test_the_checkpoint_of_another_training_is_left_alone(function, whole, tmp_path):
    list(function()(NET, Seed(2, 0), checkpoint=tmp_path, until=2))
    assert told(function()(NET, Seed(2, 1), checkpoint=tmp_path)) == whole[0]
    longer = function(task=OwnTask(epochs=5, shape=(1, 8, 8), num_classes=4))
    assert told(longer(NET, Seed(2, 0), checkpoint=tmp_path))[0][0] == 1


def test_a_worker_pauses_it_and_continues_it(function, tmp_path):
    params = sum(parameter.numel() for parameter in build(NET, in_channels=1, num_classes=4).parameters())
    begun = Assignment("t0", 0, NET, Seed(2, 1), params, keep_weights=True, patience=None, until=2)
    *_, paused = work(begun, function(), tmp_path)
    assert (paused.paused, [epoch["epoch"] for epoch in paused.curve]) == (2, [1, 2])
    rest = Assignment("t0", 0, NET, Seed(2, 1), params, keep_weights=True, patience=None)
    *_, done = work(rest, function(), tmp_path)
    assert not done.failure, done.detail
    assert [epoch["epoch"] for epoch in done.curve] == [1, 2, 3]
    assert done.metrics["val_mean_iou"] == 53.0
    assert done.weights
    assert done.metrics["train_seconds"] >= sum(epoch["seconds"] for epoch in done.curve[:2])


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("too_much", "needs `data`, `model`, but it is given architecture, seed, network, training only", "default"),
        ("no_network", "takes `training`, but no `network`", "add `network`"),
        ("returns", "takes `training`, but yields nothing", "yield the metrics in each epoch"),
        ("no_loop", "yielded before its first epoch", "training.epochs"),
        ("twice", "yielded twice in epoch 1", "once in each epoch"),
        ("silent", "yielded nothing in epoch 2", "once in each epoch"),
        ("early", "ended after epoch 1 of 3", "to its end"),
        ("stateless", "has no state to keep: `optimizer` is int", "state_dict"),
        ("unkept", "cannot be continued: the state of `odd` holds Generator", "tensors"),
    ],
)
def test_what_a_function_does_wrong_is_named(name, says, hint, function, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(UserError) as caught:
        list(function(name)(NET, Seed(0), checkpoint=tmp_path))
    assert caught.value.message == f"given_networks:{name} {says}"
    assert hint in caught.value.hint
    assert caught.value.key == "evaluate"
