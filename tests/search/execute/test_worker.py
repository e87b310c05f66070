import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from search.execute.trainer import Trainer
from search.execute.worker import GpuFailed, work
from search.state.records import Assignment, Outcome, Progress
from search.state.result_files import RESULT, WEIGHTS, adopt, decode, encode, save
from senet_nas import gpus
from senet_nas.network.build import build
from senet_nas.quantised import Refused
from senet_nas.recipe import DataSpec, Diverged, Recipe, Report, Seed, Task
from senet_nas.training import checkpoint
from spaces import UserError, durable

ASSIGNMENT = Assignment(uid="abc", number=0, architecture="net/-", seed=Seed(0), params=10.0, keep_weights=False)


def good(architecture, seed, *, weights=None, checkpoint=None) -> Iterator[Report]:
    yield Report(1, {"val_accuracy": 90.0, "train_loss": 0.5})
    yield Report(2, {"val_accuracy": 91.0, "params": 10.0}, done=True, correct=b"\xa0")


def raising(error):
    def evaluate(architecture, seed, *, weights=None, checkpoint=None):
        yield Report(1, {"val_accuracy": 90.0, "train_loss": float("nan")})
        raise error

    return evaluate


def outcome_of(evaluate, tmp_path):
    *epochs, outcome = work(ASSIGNMENT, evaluate, tmp_path)
    return epochs, outcome


def test_epochs_are_counted_and_the_outcome_comes_last(tmp_path):
    epochs, outcome = outcome_of(good, tmp_path)
    assert epochs == [Progress(1, {"val_accuracy": 90.0, "train_loss": 0.5})]
    assert outcome.failure == ""
    assert outcome.metrics["val_accuracy"] == 91.0
    assert outcome.metrics["train_seconds"] >= 0
    assert [e["epoch"] for e in outcome.curve] == [1, 2]
    assert outcome.correct == b"\xa0"


def test_the_result_is_on_disk_before_it_is_reported(tmp_path):
    items = work(ASSIGNMENT, good, tmp_path)
    assert next(items) == Progress(1, {"val_accuracy": 90.0, "train_loss": 0.5})
    assert adopt(tmp_path, "abc") is None
    outcome = next(items)
    assert adopt(tmp_path, "abc") == outcome
    assert not list(tmp_path.rglob("*.tmp"))


def test_what_an_attempt_left_does_not_pass_for_the_result_of_the_next(tmp_path):
    outcome_of(raising(MemoryError("9 GB")), tmp_path)
    assert adopt(tmp_path, "abc").failure == "out of memory"
    again = work(ASSIGNMENT, good, tmp_path)
    next(again)
    assert adopt(tmp_path, "abc") is None


def test_a_result_whose_weights_are_not_there_is_none(tmp_path):
    (tmp_path / "abc").mkdir()
    outcome = Outcome({"val_accuracy": 90.0}, [], weights=hashlib.sha256(b"weights").hexdigest())
    save(tmp_path / "abc" / RESULT, "abc", outcome)
    assert adopt(tmp_path, "abc") is None
    (tmp_path / "abc" / WEIGHTS).write_bytes(b"weigh")
    assert adopt(tmp_path, "abc") is None
    (tmp_path / "abc" / WEIGHTS).write_bytes(b"weights")
    assert adopt(tmp_path, "abc") == outcome


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (Diverged("loss is nan in epoch 2"), "diverged", "epoch 2"),
        (Refused("refused by openvino (int8): no such layer"), "refused", "no such layer"),
        (MemoryError("9 GB"), "out of memory", "9 GB"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "out of memory", "ALLOC_FAILED"),
        (UserError("no such file"), "user error", "no such file"),
        (KeyError("x"), "KeyError", "Traceback"),
    ],
)
def test_whatever_is_thrown_is_a_failed_training_with_a_reason(tmp_path, error, reason, detail):
    _, outcome = outcome_of(raising(error), tmp_path)
    assert outcome.failure == reason
    assert detail in outcome.detail
    assert "nan" not in (tmp_path / "abc" / RESULT).read_text().lower().replace(outcome.detail.lower(), "")
    assert adopt(tmp_path, "abc") == outcome


def test_a_gpu_that_fails_leaves_no_result(tmp_path):
    """Its process must end, because every later training of it would fail."""
    broken = RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")
    with pytest.raises(GpuFailed, match="^CUDA error: an illegal memory access was encountered$"):
        outcome_of(raising(broken), tmp_path)
    assert adopt(tmp_path, "abc") is None


def test_memory_is_given_back_after_every_training(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(gpus, "release", lambda: seen.append(adopt(tmp_path, "abc")))
    outcome_of(good, tmp_path)
    outcome_of(raising(KeyError("x")), tmp_path)
    assert seen == [None, None]  # before it is known that the training has ended


def test_a_network_that_is_not_what_was_priced_is_a_failure(tmp_path):
    def other(architecture, seed, *, weights=None, checkpoint=None):
        yield Report(1, {"val_accuracy": 90.0, "params": 11.0}, done=True)

    assert outcome_of(other, tmp_path)[1].failure == "overhead"


def test_an_evaluation_without_an_end_is_a_failure(tmp_path):
    def endless(architecture, seed, *, weights=None, checkpoint=None):
        yield Report(1, {"val_accuracy": 90.0})

    assert outcome_of(endless, tmp_path)[1].failure == "no result"


def test_weights_are_kept_only_where_they_are_wanted(tmp_path):
    asked = []

    def evaluate(architecture, seed, *, weights=None, checkpoint=None):
        asked.append(weights)
        yield Report(1, {"val_accuracy": 90.0}, done=True)

    list(work(ASSIGNMENT, evaluate, tmp_path))
    list(work(Assignment(**{**vars(ASSIGNMENT), "keep_weights": True}), evaluate, tmp_path))
    assert asked == [None, tmp_path / "abc" / "model.safetensors"]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome({"val_accuracy": 90.0}, [{"epoch": 1}], b"\x00\xff"),
        Outcome(failure="diverged", curve=[]),
        Outcome(curve=[{"epoch": 1}], paused=1),
    ],
)
def test_text_and_back(outcome):
    assert decode("abc", encode("abc", outcome)) == outcome


def test_a_damaged_result_or_anothers_is_not_adopted():
    text = encode("abc", Outcome({"val_accuracy": 90.0}))
    assert decode("other", text) is None
    assert decode("abc", text.replace("90.0", "99.0")) is None
    assert all(decode("abc", text[:cut]) is None for cut in range(0, len(text), 7))
    assert decode("abc", json.dumps([1])) is None


PLAIN = "cifar_resnet8/-/-/-"
PARAMS = sum(p.numel() for p in build(PLAIN, in_channels=1, num_classes=10).parameters())
REAL = Assignment(uid="abc", number=0, architecture=PLAIN, seed=Seed(0), params=float(PARAMS), keep_weights=True)
TRAINER = Trainer(Task(DataSpec(dataset="digits", train=300, validation=203), Recipe(epochs=3, batch_size=64)))
TIMES = {"seconds", "train_seconds"}


def without_times(outcome):
    curve = [{k: v for k, v in epoch.items() if k not in TIMES} for epoch in outcome.curve]
    return {k: v for k, v in outcome.metrics.items() if k not in TIMES}, curve, outcome.correct, outcome.failure


@pytest.fixture
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.parametrize("stop", [1, 2])
def test_an_interrupted_training_goes_on_and_its_outcome_is_that_of_a_whole_one(tmp_path, every_epoch, stop):
    *_, whole = work(REAL, TRAINER, tmp_path / "whole")
    interrupted = work(REAL, TRAINER, tmp_path)
    assert [next(interrupted).epoch for _ in range(stop)] == list(range(1, stop + 1))
    interrupted.close()
    *epochs, outcome = work(REAL, TRAINER, tmp_path)
    assert [progress.epoch for progress in epochs] == list(range(stop + 1, 3))
    assert outcome.failure == ""
    assert without_times(outcome) == without_times(whole)
    assert outcome.metrics["train_seconds"] >= sum(epoch["seconds"] for epoch in outcome.curve)
    names = ("result.json", "model.safetensors")
    assert sorted(path.name for path in (tmp_path / "abc").iterdir()) == sorted(names)
    assert (tmp_path / "abc" / names[1]).read_bytes() == (tmp_path / "whole" / "abc" / names[1]).read_bytes()


def test_a_training_that_pauses_and_continues_is_that_which_never_paused(tmp_path):
    *_, whole = work(REAL, TRAINER, tmp_path / "whole")
    found = []
    for until in (1, 2):
        *epochs, paused = work(replace(REAL, until=until, keep_weights=False), TRAINER, tmp_path)
        found += [*(progress.epoch for progress in epochs), paused.paused]
        assert (paused.failure, paused.metrics, paused.weights) == ("", {}, "")
        assert [epoch["epoch"] for epoch in paused.curve] == list(range(1, until + 1))
        assert adopt(tmp_path, "abc") == paused
        assert checkpoint.epochs(tmp_path / "abc") == until
    assert found == [1, 2]
    *epochs, outcome = work(REAL, TRAINER, tmp_path)
    assert (epochs, outcome.paused) == ([], 0)
    assert without_times(outcome) == without_times(whole)
    assert outcome.metrics["train_seconds"] >= sum(epoch["seconds"] for epoch in outcome.curve)
    names = ("result.json", "model.safetensors")
    assert sorted(path.name for path in (tmp_path / "abc").iterdir()) == sorted(names)
    assert (tmp_path / "abc" / names[1]).read_bytes() == (tmp_path / "whole" / "abc" / names[1]).read_bytes()


def test_a_pause_that_was_saved_but_not_told_is_told_by_the_next_attempt(tmp_path):
    given = replace(REAL, until=2, keep_weights=False)
    *_, paused = work(given, TRAINER, tmp_path)
    (tmp_path / "abc" / RESULT).unlink()
    (again,) = work(given, TRAINER, tmp_path)
    assert again == paused


def test_a_training_that_fails_on_its_way_to_a_pause_leaves_no_checkpoint(tmp_path):
    def evaluate(architecture, seed, *, weights=None, checkpoint=None, until=None):
        yield Report(1, {"val_accuracy": 90.0})
        raise Diverged("loss is nan")

    left_at(tmp_path / "abc", 1)
    *_, outcome = work(replace(ASSIGNMENT, until=2), evaluate, tmp_path)
    assert (outcome.failure, outcome.paused) == ("diverged", 0)
    assert checkpoint.epochs(tmp_path / "abc") == 0


def test_the_checkpoint_goes_only_when_the_result_is_durable(tmp_path, every_epoch, monkeypatch):
    def full(path, uid, outcome):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("search.execute.worker.save", full)
        with pytest.raises(OSError, match="No space"):
            list(work(REAL, TRAINER, tmp_path))
    assert len(checkpoint.curve(tmp_path / "abc")) == 2
    *epochs, outcome = work(REAL, TRAINER, tmp_path)
    assert epochs == []
    assert [epoch["epoch"] for epoch in outcome.curve] == [1, 2, 3]


def left_at(folder, epochs):
    """A checkpoint as a training leaves one, with a curve of so many epochs."""
    folder.mkdir(parents=True)
    state = {"model": {}, "optimizer": {"param_groups": [], "state": {}}, "epoch": epochs}
    curve = [{"epoch": epoch, "val_accuracy": 80.0 + epoch, "seconds": 100.0} for epoch in range(1, epochs + 1)]
    checkpoint.save(folder, {**state, "average": {}, "generator": torch.zeros(8, dtype=torch.uint8)}, curve, owner={})


@pytest.mark.parametrize(("begin", "epochs"), [(3, [1, 2, 3, 4]), (2, [1, 2, 3]), (1, [1, 2])])
def test_earlier_epochs_come_from_the_checkpoint_as_far_as_they_were_not_trained_again(tmp_path, begin, epochs):
    def resumed(architecture, seed, *, weights=None, checkpoint=None):
        assert checkpoint == tmp_path / "abc"
        yield Report(begin, {"val_accuracy": 90.0})
        yield Report(begin + 1, {"val_accuracy": 91.0, "params": 10.0}, done=True)

    left_at(tmp_path / "abc", 2)
    _, outcome = outcome_of(resumed, tmp_path)
    assert [epoch["epoch"] for epoch in outcome.curve] == epochs
    assert 0 <= outcome.metrics["train_seconds"] - 100.0 * (begin - 1) < 50


def test_a_resumed_training_that_fails_keeps_its_curve_and_leaves_no_checkpoint(tmp_path):
    def failing(architecture, seed, *, weights=None, checkpoint=None):
        yield from ()
        raise Diverged("in epoch 3")

    left_at(tmp_path / "abc", 2)
    _, outcome = outcome_of(failing, tmp_path)
    assert outcome.failure == "diverged"
    assert [epoch["epoch"] for epoch in outcome.curve] == [1, 2]
    assert [path.name for path in (tmp_path / "abc").iterdir()] == [RESULT]


def test_numbers_of_any_kind_are_kept_and_what_is_none_is_left_out(tmp_path):
    import numpy as np

    def evaluate(architecture, seed, *, weights=None, checkpoint=None):
        yield Report(1, {"val_accuracy": np.float32(90.5), "note": "hello", "f1": None, "n": np.int64(3)}, done=True)

    *_, outcome = work(ASSIGNMENT, evaluate, tmp_path)
    assert outcome.failure == ""
    assert {name: outcome.metrics[name] for name in ("val_accuracy", "n")} == {"val_accuracy": 90.5, "n": 3.0}
    assert not {"note", "f1"} & outcome.metrics.keys()
    assert adopt(tmp_path, "abc") == outcome


def test_a_result_of_bytes_that_are_no_text_is_not_adopted(tmp_path):
    list(work(ASSIGNMENT, good, tmp_path))
    path = tmp_path / "abc" / RESULT
    path.write_bytes(path.read_bytes().replace(b"a", b"\xff", 1))
    assert adopt(tmp_path, "abc") is None


def test_the_time_of_a_training_is_its_own_not_that_of_imports_and_data(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("search.execute.worker.time.monotonic", lambda: now[0])

    def evaluate(architecture, seed, *, weights=None, checkpoint=None):
        now[0] += 3.0
        yield Report(1, {"val_accuracy": 90.0}, done=True)

    def prepare():
        now[0] += 100.0

    *_, outcome = work(ASSIGNMENT, evaluate, tmp_path, prepare=prepare)
    assert outcome.metrics["train_seconds"] == 3.0


def test_what_cannot_be_prepared_is_a_failed_training_with_a_reason(tmp_path):
    def prepare():
        raise UserError("no such folder")

    *_, outcome = work(ASSIGNMENT, good, tmp_path, prepare=prepare)
    assert (outcome.failure, outcome.detail) == ("user error", "no such folder")


def test_kept_weights_have_their_checksum_in_the_result(tmp_path):
    *_, outcome = work(REAL, TRAINER, tmp_path)
    path = tmp_path / "abc" / "model.safetensors"
    assert outcome.weights == durable.sha256(path)
    assert adopt(tmp_path, "abc").weights == outcome.weights


def test_a_full_disk_is_no_failure_of_the_training(tmp_path):
    def evaluate(architecture, seed, *, weights=None, checkpoint=None):
        yield Report(1, {"val_accuracy": 90.0})
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        list(work(ASSIGNMENT, evaluate, tmp_path))
    assert adopt(tmp_path, "abc") is None
