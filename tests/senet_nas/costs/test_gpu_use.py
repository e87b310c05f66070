"""How many trainings share a GPU: a pure function; and what is measured, on a CPU and on a stub of the profiler."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from senet_nas.costs import gpu_use
from senet_nas.costs.gpu_use import MOST, GpuUse, UseJob, sharing
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec, Recipe, Task

GB = 10**9
# Memory and busy share of a training, memory of the GPU and cores for it: trainings with MPS.
CASES = {
    "a small network on a large GPU": ((1 * GB, 0.1), 80 * GB, 16, MOST),
    "busy for a third of the time": ((1 * GB, 1 / 3), 80 * GB, 16, 3),
    "it fills the GPU": ((1 * GB, 0.97), 80 * GB, 16, 1),
    "memory for two": ((30 * GB, 0.1), 80 * GB, 16, 2),
    "memory for less than one": ((90 * GB, 0.1), 80 * GB, 16, 1),
    "few cores": ((1 * GB, 0.1), 80 * GB, 4, 4),
    "nothing was seen": ((1 * GB, 0.0), 80 * GB, 16, MOST),
}


@pytest.mark.parametrize("name", CASES)
def test_with_mps_as_many_share_a_gpu_as_fill_it(name):
    (memory, busy), whole, cores, expected = CASES[name]
    found = sharing(GpuUse(memory, busy, 0.01), whole, cores, has_mps=True)
    assert (found.trainings, found.hint) == (expected, "")


@pytest.mark.parametrize("name", CASES)
def test_without_mps_none_shares_and_what_it_would_give_is_named(name):
    (memory, busy), whole, cores, expected = CASES[name]
    found = sharing(GpuUse(memory, busy, 0.01), whole, cores, has_mps=False)
    assert found.trainings == 1
    assert found.hint.startswith(f"{expected} trainings" if expected > 1 else "")
    assert bool(found.hint) == (expected > 1)


@pytest.fixture(scope="module")
def job():
    spec = DataSpec(dataset="digits", train=64, validation=40)
    data = load(spec)
    task = Task(spec, Recipe(batch_size=32))
    return UseJob("cifar_resnet8/-/-/-", gpu_use.few_images(data, 32), task, ".")


def test_few_images_are_measured(job):
    data = load(DataSpec(dataset="digits", train=400, validation=40))
    few = gpu_use.few_images(replace(data, folder="somewhere"), 4)
    assert len(few.y_train) == gpu_use.BATCHES * 4
    assert few.folder is None


def test_memory_and_busy_share_are_what_torch_says(job, monkeypatch):
    """On a stub of the profiler: one kernel, and an event of the host."""
    kernel, host = torch.autograd.DeviceType.CUDA, torch.autograd.DeviceType.CPU

    class Profile:
        def __init__(self, activities):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *given):
            pass

        def events(self):
            span = SimpleNamespace(elapsed_us=lambda: 1.0)
            return [SimpleNamespace(device_type=kind, time_range=span) for kind in (kernel, host)]

    monkeypatch.setattr(torch.profiler, "profile", Profile)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 3 * GB)
    found = gpu_use.measured(job)
    assert found.memory == 3 * GB
    assert found.busy * 2 * found.seconds == pytest.approx(1e-6)


def test_trainings_are_measured_beside_each_other(job, monkeypatch):
    """In threads, which meet at the same barrier as processes do."""
    began = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, n, context, begin, given):
            began.append(n)
            super().__init__(n)
            begin(*given)

    monkeypatch.setattr(gpu_use, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(multiprocessing, "get_context", lambda how: __import__("threading"))
    assert gpu_use.slowdown(job, 2) >= 1
    assert began == [1, 2]
