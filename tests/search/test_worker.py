import json
from collections.abc import Iterator

import pytest

from search.loop import Assignment, Outcome
from search.worker import RESULT, adopt, decode, encode, work
from senet_nas.recipe import Diverged, Report, Seed
from spaces import UserError

ASSIGNMENT = Assignment(uid="abc", number=0, architecture="net/-", seed=Seed(0), params=10.0, keep_weights=False)


def good(architecture, seed, *, weights=None) -> Iterator[Report]:
    yield Report(1, {"val_accuracy": 90.0, "train_loss": 0.5})
    yield Report(2, {"val_accuracy": 91.0, "params": 10.0}, done=True, correct=b"\xa0")


def raising(error):
    def evaluate(architecture, seed, *, weights=None):
        yield Report(1, {"val_accuracy": 90.0, "train_loss": float("nan")})
        raise error

    return evaluate


def outcome_of(evaluate, tmp_path):
    *epochs, outcome = work(ASSIGNMENT, evaluate, tmp_path)
    return epochs, outcome


def test_epochs_are_counted_and_the_outcome_comes_last(tmp_path):
    epochs, outcome = outcome_of(good, tmp_path)
    assert epochs == [1]
    assert outcome.failure == ""
    assert outcome.metrics["val_accuracy"] == 91.0
    assert outcome.metrics["train_seconds"] >= 0
    assert [e["epoch"] for e in outcome.curve] == [1, 2]
    assert outcome.correct == b"\xa0"


def test_the_result_is_on_disk_before_it_is_reported(tmp_path):
    items = work(ASSIGNMENT, good, tmp_path)
    assert next(items) == 1
    assert adopt(tmp_path, "abc") is None
    outcome = next(items)
    assert adopt(tmp_path, "abc") == outcome
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [(Diverged("loss is nan in epoch 2"), "diverged", "epoch 2"), (MemoryError("9 GB"), "out of memory", "9 GB"),
     (UserError("no such file"), "user error", "no such file"), (KeyError("x"), "KeyError", "Traceback")],
)  # fmt: skip
def test_whatever_is_thrown_is_a_failed_training_with_a_reason(tmp_path, error, reason, detail):
    _, outcome = outcome_of(raising(error), tmp_path)
    assert outcome.failure == reason
    assert detail in outcome.detail
    assert "nan" not in (tmp_path / "abc" / RESULT).read_text().lower().replace(outcome.detail.lower(), "")
    assert adopt(tmp_path, "abc") == outcome


def test_a_network_that_is_not_what_was_priced_is_a_failure(tmp_path):
    def other(architecture, seed, *, weights=None):
        yield Report(1, {"val_accuracy": 90.0, "params": 11.0}, done=True)

    assert outcome_of(other, tmp_path)[1].failure == "overhead"


def test_an_evaluation_without_an_end_is_a_failure(tmp_path):
    def endless(architecture, seed, *, weights=None):
        yield Report(1, {"val_accuracy": 90.0})

    assert outcome_of(endless, tmp_path)[1].failure == "no result"


def test_weights_are_kept_only_where_they_are_wanted(tmp_path):
    asked = []

    def evaluate(architecture, seed, *, weights=None):
        asked.append(weights)
        yield Report(1, {"val_accuracy": 90.0}, done=True)

    list(work(ASSIGNMENT, evaluate, tmp_path))
    list(work(Assignment(**{**vars(ASSIGNMENT), "keep_weights": True}), evaluate, tmp_path))
    assert asked == [None, tmp_path / "abc" / "model.safetensors"]


@pytest.mark.parametrize(
    "outcome", [Outcome({"val_accuracy": 90.0}, [{"epoch": 1}], b"\x00\xff"), Outcome(failure="diverged", curve=[])]
)
def test_text_and_back(outcome):
    assert decode("abc", encode("abc", outcome)) == outcome


def test_a_damaged_result_or_anothers_is_not_adopted():
    text = encode("abc", Outcome({"val_accuracy": 90.0}))
    assert decode("other", text) is None
    assert decode("abc", text.replace("90.0", "99.0")) is None
    assert all(decode("abc", text[:cut]) is None for cut in range(0, len(text), 7))
    assert decode("abc", json.dumps([1])) is None
