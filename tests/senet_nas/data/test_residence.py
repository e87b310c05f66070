"""Where training images lie, and how they come to the GPU: on a stub of the calls of CUDA."""

from contextlib import nullcontext

import pytest
import torch

from senet_nas import gpus
from senet_nas.data import prefetch, residence
from senet_nas.data.batches import batches
from senet_nas.data.load import Data
from senet_nas.recipe import Recipe
from tests.senet_nas.fake_gpu import on_fake_gpu

GB = 10**9


def data(n: int = 24) -> Data:
    x = torch.arange(n * 48, dtype=torch.int64).remainder(251).to(torch.uint8).view(n, 3, 4, 4)
    y = torch.arange(n) % 3
    return Data(x, y, x, y, x, y, ("a", "b", "c"), (0.5,) * 3, (0.25,) * 3, True, 1, "none")


@pytest.mark.parametrize(
    ("size", "share", "expected"),
    [(39 * GB, 1.0, True), (41 * GB, 1.0, False), (9 * GB, 0.25, True), (11 * GB, 0.25, False), (252 * GB, 1.0, False)],
)
def test_images_fit_into_half_of_what_a_training_has_of_the_gpu(size, share, expected):
    assert gpus.holds_images(size, 80 * GB, share) is expected


def test_on_a_cpu_images_stay_where_they_are():
    known = data()
    x, y = residence.training_images(known, "cpu")
    assert x is known.x_train
    assert y is known.y_train


def test_images_that_fit_are_copied_once_for_all_trainings_of_a_process(monkeypatch):
    monkeypatch.setattr(gpus, "total_memory", lambda device: 80 * GB)
    with on_fake_gpu():
        known, other = data(), data()
        first, _ = residence.training_images(known, "cuda")
        again, labels = residence.training_images(known, "cuda", 0.5)
        assert first.device.type == labels.device.type == "cuda"
        assert again is first
        third, _ = residence.training_images(other, "cuda")
        assert third is not first


def test_images_that_do_not_fit_stay_with_the_host(monkeypatch):
    monkeypatch.setattr(gpus, "total_memory", lambda device: 2000)
    with on_fake_gpu():
        known = data()
        x, y = residence.training_images(known, "cuda")
        assert x is known.x_train
        assert y is known.y_train
        smaller, _ = residence.training_images(data(4), "cuda")
        assert smaller.device.type == "cuda"


class Stream:
    """Notes what is asked of it, and what of the other stream."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    def record_event(self):
        self.seen.append("copied")
        return "event"

    def wait_event(self, event):
        self.seen.append(f"wait for {event}")


@pytest.fixture
def seen(monkeypatch):
    """The calls of two streams; the tensors stay on the host."""
    seen = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("copying", seen))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("training", seen))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: seen.append("keep"))
    empty = torch.empty

    def unpinned(*size, pin_memory=False, **more):
        seen.append("pinned" if pin_memory else "")
        return empty(*size, **more)

    monkeypatch.setattr(torch, "empty", unpinned)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *args, non_blocking=False: tensor)
    return seen


def test_batches_are_pinned_and_the_next_is_copied_while_one_is_used(seen):
    known = data(12)
    rows = [torch.arange(i, i + 4) for i in (0, 4, 8)]
    found = ((slice(0, 4), prefetch.gather(known.x_train, row, pinned=True), known.y_train[row]) for row in rows)
    came = []
    for _, x, y in prefetch.prefetched(found, torch.device("cpu")):
        seen.append("used")
        came.append((x, y))
    assert torch.equal(torch.cat([x for x, _ in came]), known.x_train)
    assert torch.equal(torch.cat([y for _, y in came]), known.y_train)
    steps = [word for word in seen if word in ("copied", "used")]
    assert steps == ["copied", "copied", "used", "copied", "used", "used"]
    assert seen.count("pinned") == 3
    assert seen.count("wait for event") == 3
    assert seen.count("keep") == 6


def test_images_of_the_host_give_the_same_batches(seen, monkeypatch):
    """The augmentation is computed on the host here; what a GPU gets is what a CPU gets."""
    known, recipe = data(), Recipe(batch_size=4)

    def epoch():
        generator = torch.Generator().manual_seed(0)
        return [x for x, _ in batches(known.x_train, known.y_train, known, recipe, generator)]

    plain = epoch()
    monkeypatch.setattr("senet_nas.data.batches.fed", lambda *given, **more: _as_for_a_gpu(*given[:4]))
    assert all(torch.equal(one, two) for one, two in zip(plain, epoch(), strict=True))


def _as_for_a_gpu(x, y, plan, parts):
    rows = ((part, plan.order[part]) for part in parts)
    found = ((part, prefetch.gather(x, row, pinned=True), y[row]) for part, row in rows)
    return prefetch.prefetched(found, torch.device("cpu"))
