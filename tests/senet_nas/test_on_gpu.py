"""What stand-ins cannot show: it runs where there is a GPU (`pytest -m gpu`)."""

import copy
from dataclasses import replace

import pytest
import torch

from senet_nas import gpus
from senet_nas.costs import gpu_use, runtimes
from senet_nas.data import prefetch, residence
from senet_nas.data.batches import batches
from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, LatencySpec, Recipe, Seed, Task
from senet_nas.training.train import Training
from tests.senet_nas.covering import OF_CHANNELS, operators
from tests.senet_nas.recipes import OPTIONS

pytestmark = pytest.mark.gpu
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
RECIPE = Recipe(epochs=4, batch_size=50, lr=0.05, precision="float32")


@pytest.fixture(scope="module")
def data():
    return load(DataSpec(dataset="digits", train=300, validation=200))


def started(data, recipe, key=SE, device="cuda"):
    return Training(build(key, in_channels=1, num_classes=10, block_seed=0), data, recipe, seed=Seed(0), device=device)


def apart(one, other):
    pairs = zip(one.result.state_dict().values(), other.result.state_dict().values(), strict=True)
    return max(float((a.double().cpu() - b.double().cpu()).abs().max()) for a, b in pairs)


@pytest.mark.parametrize(
    "more", [{}, {"ema": 0.9}, {"precision": "bfloat16"}, {"precision": "float16"}, OPTIONS["all"]]
)
def test_a_graph_trains_as_the_steps_do(data, more):
    recipe = replace(RECIPE, **more)
    captured, launched = started(data, recipe), started(data, replace(recipe, cudagraph="off"))
    for _ in range(2):
        one, other = captured.epoch(), launched.epoch()
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
    assert captured._captured._graph is not None
    assert any(size.graph is not None for size in captured._score._sizes.values())
    assert launched._captured is None


@pytest.mark.parametrize(("squeeze", "excitation"), [*((name, "fc4") for name in OF_CHANNELS), *operators()])
def test_every_squeeze_is_captured_and_no_replay_waits(data, squeeze, excitation):
    training = started(
        data, replace(RECIPE, ema=0.9, rotation=9.0), f"cifar_resnet8/-/-/{squeeze}:{excitation}:sigmoid@pre_addition"
    )
    training.epoch()
    captured = training._captured
    assert captured._graph is not None
    captured._static["next"].zero_()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            training._count_step()
            captured._run()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_stop_changes_nothing_but_rounding(data):
    whole, first, again = (started(data, RECIPE) for _ in range(3))
    for _ in range(4):
        whole.epoch()
    for _ in range(2):
        first.epoch()
    again.load_state(copy.deepcopy(first.state()))
    for _ in range(2):
        again.epoch()
    assert apart(whole, again) < 1e-2


def test_images_of_the_host_come_as_they_are(data, monkeypatch):
    def epoch():
        x, y = residence.training_images(data, "cuda")
        generator = torch.Generator().manual_seed(0)
        return [found.clone() for found, _ in batches(x, y, data, RECIPE, generator, "cuda")]

    resident = epoch()
    monkeypatch.setattr(gpus, "total_memory", lambda device: 1)
    assert residence.training_images(data, "cuda")[0].device.type == "cpu"
    assert all(torch.equal(one, other) for one, other in zip(resident, epoch(), strict=True))
    assert prefetch.gather(data.x_train, torch.arange(3), pinned=True).is_pinned()
    training = started(data, RECIPE)
    training.epoch()
    assert training._captured._graph is not None


def test_what_lacks_memory_leaves_room_for_the_next_training(data):
    before = torch.cuda.mem_get_info()[0]
    gpus.limit(0.02)
    try:
        with pytest.raises(RuntimeError, match="memory|ALLOC") as caught:
            started(data, replace(RECIPE, batch_size=300), "resnet50" + "/-" * 16).epoch()
            torch.empty(2**36, dtype=torch.uint8, device="cuda")
    finally:
        gpus.limit(1.0)
    assert gpus.failure(caught.value) == "memory"
    del caught
    gpus.release()
    assert torch.cuda.mem_get_info()[0] > before - 2**30
    started(data, RECIPE).epoch()


@pytest.mark.parametrize("squeeze", ["avg", "dct"])
def test_latency_of_a_graph_is_that_of_a_network_that_lives(squeeze):
    key = f"cifar_resnet8/-/-/{squeeze}:fc4:sigmoid@pre_addition"
    call = runtimes.forward(build(key, in_channels=1, num_classes=10), (1, 16, 16), LatencySpec(runtime="cudagraph"))
    gpus.release()
    call()


def test_plain_is_measured(data):
    job = gpu_use.UseJob("cifar_resnet8/-/-/-", data, Task(DataSpec(dataset="digits"), RECIPE, device="cuda"), ".")
    found = gpu_use.measured(job)
    assert found.memory > 0
    assert 0 < found.busy <= 1
