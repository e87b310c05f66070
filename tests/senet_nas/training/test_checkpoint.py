import json
import shutil

import pytest
import torch

from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Recipe, Seed
from senet_nas.training import checkpoint
from senet_nas.training.train import Training

OWNER = {"architecture": "net/-", "seed": "0.0"}
CURVE = [{"epoch": 1, "train_loss": 1 / 3, "seconds": 0.1}]


class Killed(BaseException):
    pass


def state(epoch=1, value=1.0):
    """A state as Training.state() returns it: a matrix, a counter, a buffer and a step number of the optimizer."""
    generator = torch.Generator().manual_seed(epoch)
    groups = [{"lr": 0.1 / 3, "foreach": None, "params": [0]}]
    return {
        "model": {"w": torch.full((2, 3), value), "norm.batches": torch.tensor(epoch)},
        "average": {"module.w": torch.full((2, 3), value / 2), "n_averaged": torch.tensor(epoch)},
        "scaler": {"scale": 1024.0, "_growth_tracker": epoch},
        "optimizer": {"param_groups": groups, "state": {0: {"momentum_buffer": torch.ones(2, 3), "step": 7}}},
        "generator": generator.get_state(),
        "epoch": epoch,
    }


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b


def save(folder, epoch=1, **other):
    checkpoint.save(folder, state(epoch, **other), [{"epoch": e} for e in range(1, epoch + 1)], owner=OWNER)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def whole(tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    checkpoint.save(folder, state(), CURVE, owner=OWNER)
    return folder


def test_a_state_comes_back_as_it_was(whole):
    found, curve = checkpoint.load(whole, owner=OWNER)
    assert equal(found, state())
    assert curve == CURVE == checkpoint.curve(whole)


def test_without_one_there_is_none(tmp_path):
    assert checkpoint.load(tmp_path, owner=OWNER) is None
    assert checkpoint.load(tmp_path / "nowhere", owner=OWNER) is None
    assert checkpoint.curve(tmp_path) == []


@pytest.mark.parametrize("key", OWNER)
def test_anothers_is_not_loaded(whole, key):
    assert checkpoint.load(whole, owner=OWNER | {key: "other"}) is None


def test_one_of_another_format_is_not_loaded(whole, monkeypatch):
    monkeypatch.setattr(checkpoint, "_FORMAT", 2)
    assert checkpoint.load(whole, owner=OWNER) is None


@pytest.mark.parametrize("name", [checkpoint.RECORD, "checkpoint-1.safetensors"])
@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damage_is_noticed_wherever_it_is(whole, name, tenth, damage):
    path = whole / name
    content = bytearray(path.read_bytes())
    offset = len(content) * tenth // 10
    if damage == "truncated":
        del content[offset:]
    else:
        content[offset] ^= 1 << tenth % 8
    path.write_bytes(content)
    assert checkpoint.load(whole, owner=OWNER) is None
    save(whole, 2)
    assert equal(checkpoint.load(whole, owner=OWNER)[0], state(2))


@pytest.mark.parametrize("text", ["", "[1]", "null", "{}", '{"sha256": 1}', "\x00", "[" * 100_000])
def test_a_record_that_is_none_is_noticed(whole, text):
    (whole / checkpoint.RECORD).write_text(text)
    assert checkpoint.load(whole, owner=OWNER) is None
    assert checkpoint.curve(whole) == []


def test_tensors_of_another_state_of_the_same_epoch_do_not_fit(whole, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save(other, value=2.0)
    shutil.copy(other / "checkpoint-1.safetensors", whole)
    assert checkpoint.load(whole, owner=OWNER) is None


@pytest.mark.parametrize("place", ["before", "within", "after"])
@pytest.mark.parametrize("name", ["checkpoint-2.safetensors", checkpoint.RECORD])
def test_killed_anywhere_one_whole_checkpoint_is_left(tmp_path, monkeypatch, place, name):
    def die(there):
        if there == f"{place}_{name}":
            raise Killed

    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr("spaces.durable.failpoint", die)
        with pytest.raises(Killed):
            save(tmp_path, 2)
    epoch = 2 if (place, name) == ("after", checkpoint.RECORD) else 1
    assert equal(checkpoint.load(tmp_path, owner=OWNER)[0], state(epoch))
    assert len(checkpoint.curve(tmp_path)) == epoch
    save(tmp_path, 3)
    assert names(tmp_path) == ["checkpoint-3.safetensors", checkpoint.RECORD]


@pytest.mark.parametrize("name", ["checkpoint-2.safetensors", checkpoint.RECORD])
def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_half_written(tmp_path, monkeypatch, name):
    def full(there):
        if there == f"within_{name}":
            raise OSError(28, "No space left on device")

    save(tmp_path, 1)
    monkeypatch.setattr("spaces.durable.failpoint", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    assert equal(checkpoint.load(tmp_path, owner=OWNER)[0], state(1))
    assert not list(tmp_path.glob("*.tmp"))


def test_only_the_last_is_kept_and_removing_leaves_what_is_not_ours(whole):
    save(whole, 2)
    assert names(whole) == ["checkpoint-2.safetensors", checkpoint.RECORD]
    for other in ("result.json", "model.safetensors"):
        (whole / other).touch()
    for half in (f"{checkpoint.RECORD}.tmp", "checkpoint-3.safetensors.tmp"):
        (whole / half).touch()
    checkpoint.remove(whole)
    assert names(whole) == ["model.safetensors", "result.json"]
    checkpoint.remove(whole)


def test_a_record_is_text_for_people(whole):
    record = json.loads((whole / checkpoint.RECORD).read_text())
    assert record["owner"] == OWNER
    assert record["epoch"] == 1


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_the_state_of_a_training_comes_back_with_its_layouts(tmp_path, momentum):
    data = load(DataSpec(dataset="digits", train=100, validation=50))
    recipe = Recipe(epochs=2, batch_size=50, momentum=momentum)

    def training():
        return Training(build("cifar_resnet8/-/-/-", in_channels=1, num_classes=10), data, recipe, seed=Seed(0))

    first, again = training(), training()
    first.epoch()
    checkpoint.save(tmp_path, first.state(), [], owner=OWNER)
    again.load_state(checkpoint.load(tmp_path, owner=OWNER)[0])
    assert equal(again.state(), first.state())
    buffers = [v.get("momentum_buffer") for v in again.state()["optimizer"]["state"].values()]
    laid_out = [b.is_contiguous(memory_format=torch.channels_last) for b in buffers if b is not None and b.ndim == 4]
    assert all(laid_out)
    assert bool(laid_out) == (momentum > 0)
