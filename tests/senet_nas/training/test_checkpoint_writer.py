"""Checkpoints that a thread writes: the bytes of those written at once, whole at any moment, and of one epoch."""

import copy
import logging
import multiprocessing
import signal
import threading
from types import SimpleNamespace

import pytest
import torch

from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Recipe, Seed
from senet_nas.training import checkpoint
from senet_nas.training.checkpoint_writer import CheckpointWriter, copy_of
from senet_nas.training.train import Training
from spaces import durable, failpoints
from tests.senet_nas.fake_gpu import on_fake_gpu

OWNER = {"architecture": "net/-", "seed": "0.0"}
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"


@pytest.fixture(scope="module")
def training():
    torch.set_num_threads(1)
    data = load(DataSpec(dataset="digits", train=192, validation=64))
    network = build(SE, in_channels=1, num_classes=10, block_seed=0)
    return Training(network, data, Recipe(epochs=9, batch_size=64, ema=0.9), seed=Seed(0))


def curve(training):
    return [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in range(1, training.state()["epoch"] + 1)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def gate(monkeypatch):
    """Holds the thread before its first byte until it is set."""
    opened = threading.Event()
    before = durable.failpoint

    def wait(name):
        if threading.current_thread() is not threading.main_thread():
            assert opened.wait(60)
        before(name)

    monkeypatch.setattr(durable, "failpoint", wait)
    return opened


def test_the_files_are_those_written_at_once_though_the_training_goes_on(training, tmp_path, gate):
    training.epoch()
    (tmp_path / "once").mkdir()
    (tmp_path / "beside").mkdir()
    checkpoint.save(tmp_path / "once", training.state(), curve(training), owner=OWNER)
    writer = CheckpointWriter(tmp_path / "beside", OWNER)
    metrics = curve(training)
    writer.begin(training.state(), metrics)
    metrics.append({"epoch": 2})
    training.epoch()
    assert not contents(tmp_path / "beside")  # the training did not wait for it
    gate.set()
    writer.close()
    assert contents(tmp_path / "beside") == contents(tmp_path / "once")


def test_on_a_cpu_a_checkpoint_is_on_the_disk_before_the_training_goes_on(training, tmp_path):
    training.epoch()
    writer = CheckpointWriter(tmp_path, OWNER)
    writer.keep(training.state(), curve(training))
    assert checkpoint.epochs(tmp_path) == training.state()["epoch"]
    writer.close()


def test_on_a_gpu_the_thread_writes_it(tmp_path, monkeypatch):
    begun = []
    writer = CheckpointWriter(tmp_path, OWNER)
    monkeypatch.setattr(writer, "begin", lambda state, curve: begun.append(state["epoch"]))
    with on_fake_gpu():
        writer.keep({"model": {"w": torch.ones(2, device="cuda")}, "epoch": 3}, [])
    assert begun == [3]


def test_one_that_pauses_is_on_the_disk_at_once(training, tmp_path):
    writer = CheckpointWriter(tmp_path, OWNER)
    writer.begin(training.state(), curve(training))
    training.epoch()
    writer.write(training.state(), curve(training))
    assert checkpoint.epochs(tmp_path) == training.state()["epoch"]
    assert len(list(tmp_path.iterdir())) == 2
    writer.close()


def test_a_full_disk_is_a_warning_and_a_pause_that_cannot_be_saved_an_error(training, tmp_path, caplog):
    writer = CheckpointWriter(tmp_path, OWNER)
    failpoints.arm("within_checkpoint.json:1:full")
    try:
        with caplog.at_level(logging.WARNING):
            writer.keep(training.state(), curve(training))
            writer.begin(training.state(), curve(training))
            writer.wait()
        assert caplog.text.count(f"no checkpoint in {tmp_path}") == 2
        with pytest.raises(OSError, match="No space left"):
            writer.write(training.state(), curve(training))
    finally:
        failpoints.arm("")
    writer.close()


def test_what_the_thread_throws_is_thrown_by_close(tmp_path, monkeypatch):
    def fails(*given, **more):
        raise ValueError("odd")

    monkeypatch.setattr(checkpoint, "save", fails)
    writer = CheckpointWriter(tmp_path, OWNER)
    writer.begin({"epoch": 1}, [])
    with pytest.raises(ValueError, match="odd"):
        writer.close()


def write_two(folder, moment):
    failpoints.arm(moment)
    writer = CheckpointWriter(folder, {})
    for epoch in (1, 2):
        weights = {"w": torch.full((300, 300), float(epoch))}
        state = {"model": weights, "average": {}, "optimizer": {"state": {}, "param_groups": []}, "epoch": epoch}
        curve = [{"epoch": e + 1} for e in range(epoch)]
        writer.begin({**state, "generator": torch.zeros(8, dtype=torch.uint8)}, curve)
    writer.close()


# Where the second checkpoint is killed, and the epoch that is then found.
MOMENTS = {
    "before_checkpoint-2.safetensors": 1,
    "within_checkpoint-2.safetensors": 1,
    "after_checkpoint-2.safetensors": 1,
    "within_checkpoint.json:2": 1,
    "after_checkpoint.json:2": 2,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_the_thread_writes_leaves_one_whole_checkpoint(tmp_path, moment):
    process = multiprocessing.get_context("fork").Process(target=write_two, args=(tmp_path, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    state, found = checkpoint.load(tmp_path, owner={})
    assert state["epoch"] == len(found) == MOMENTS[moment]
    assert torch.equal(state["model"]["w"], torch.full((300, 300), float(state["epoch"])))


def test_nothing_waits_for_the_gpu_but_the_thread(monkeypatch):
    """On a GPU without values: the copies into pinned memory are asynchronous, and an event says when they are done."""
    events, pinned = [], []

    def record():
        events.append(SimpleNamespace(synchronize=lambda: events.append("waited")))
        return events[-1]

    make = torch.empty

    def empty(*shape, pin_memory=False, **more):
        if pin_memory:
            pinned.append(tuple(*shape))
        return make(*shape, **more)

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(record_event=record))
    with on_fake_gpu() as (_, waits):
        weights = torch.ones(2, 3, device="cuda")
        monkeypatch.setattr(torch, "empty", empty)
        copied, ready = copy_of({"model": {"w": weights}, "generator": torch.ones(2), "scaler": {"scale": 2.0}})
    assert copied["model"]["w"].device.type == copied["generator"].device.type == "cpu"
    assert copied["scaler"] == {"scale": 2.0}
    assert pinned == [(2, 3)]
    assert waits.seen == []
    assert len(events) == 1
    ready()
    assert events[1:] == ["waited"]


def test_a_copy_keeps_its_values_and_has_memory_of_its_own(training):
    state = training.state()
    expected = copy.deepcopy(state["model"])
    copied, _ = copy_of(state)
    training.epoch()
    assert all(torch.equal(copied["model"][name], value) for name, value in expected.items())
    assert any(not torch.equal(copied["model"][name], value) for name, value in training.state()["model"].items())
    assert all(value.is_contiguous() for value in copied["model"].values())
