"""No step of a training waits for the GPU, whatever the recipe and the SE: seen on a GPU that is not there."""

from types import SimpleNamespace

import pytest
import torch

from senet_nas import gpus
from senet_nas.data.load import Data
from senet_nas.network.build import build
from senet_nas.recipe import Recipe, Seed
from senet_nas.training import captured_batches, captured_steps
from senet_nas.training.train import Training
from tests.senet_nas.fake_gpu import moved, on_fake_gpu, zero_gradients

SE = "avg:fc4:sigmoid@pre_addition"
CASES = {
    "plain": ("-", {}),
    "SE": (SE, {}),
    "a moving average": (SE, {"ema": 0.9}),
    "rotation": (SE, {"rotation": 10.0}),
    "all augmentation": (SE, {"crop_area": 0.3, "rotation": 9.0, "jitter": 0.2, "shift": 9, "cutout": 2}),
    "label smoothing": (SE, {"label_smoothing": 0.1}),
    "the squeeze dct": ("dct:fc4:sigmoid@pre_addition", {"ema": 0.9}),
}


def _waits(se: str, more: dict, steps: int, monkeypatch, cudagraph: str = "off") -> list[str]:
    """What an epoch of so many steps waits for, after one that was not counted."""
    recipe = Recipe(epochs=9, batch_size=4, precision="float32", cudagraph=cudagraph, **more)
    model = build(f"cifar_resnet8/-/-/{se}", num_classes=10)
    with on_fake_gpu() as (mode, waits):
        model = moved(model, mode)
        monkeypatch.setattr(torch.autograd, "backward", zero_gradients(model))
        n = 4 * steps
        x = torch.zeros((n, 3, 8, 8), dtype=torch.uint8)
        y = torch.zeros(n, dtype=torch.long)
        data = Data(x, y, x, y, x, y, tuple("0123456789"), (0.5,) * 3, (0.25,) * 3, True, 4, "none")
        training = Training(model, data, recipe, seed=Seed(0), device="cuda")
        run_epoch(training)
        waits.seen.clear()
        run_epoch(training)
    return waits.seen


def run_epoch(training: Training) -> None:
    """The steps of an epoch. Only its sums are read, at its end: their values are not there."""
    with pytest.raises(Exception, match="_local_scalar_dense"):
        training.epoch()


@pytest.fixture(autouse=True)
def a_large_gpu(monkeypatch):
    monkeypatch.setattr(gpus, "total_memory", lambda device: 10**10)


@pytest.fixture
def graphs(monkeypatch):
    """In place of CUDA's graphs: what is captured runs again at every replay."""
    for module in (captured_steps, captured_batches):
        monkeypatch.setattr(module, "side_stream", lambda device: None)
    monkeypatch.setattr(captured_steps, "on_side_stream", lambda side, compute: compute())
    monkeypatch.setattr(captured_steps, "captured", lambda compute, side: SimpleNamespace(replay=compute))


@pytest.mark.parametrize("cudagraph", ["off", "auto"])
@pytest.mark.parametrize("name", CASES)
def test_a_step_waits_for_nothing(name, cudagraph, graphs, monkeypatch):
    se, more = CASES[name]
    few, many = (_waits(se, more, steps, monkeypatch, cudagraph) for steps in (2, 5))
    assert few  # an epoch copies its order to the GPU
    assert len(many) == len(few), many


def test_waits_are_seen(monkeypatch):
    """With what AveragedModel does at each step, a step waits: the count above can fail."""
    from senet_nas.training import moving_average

    def average(self) -> None:
        torch.tensor(1).to("cuda")

    monkeypatch.setattr(moving_average.MovingAverage, "average", average)
    few, many = (_waits(SE, {"ema": 0.9}, steps, monkeypatch) for steps in (2, 5))
    assert len(many) == len(few) + 3
