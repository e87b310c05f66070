"""What a training leaves in its folder."""

import hashlib
import json
from dataclasses import replace

import pytest

from search.state import result_files
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed
from spaces import UserError
from tests.search import ledgers

WHOLE = Outcome({"val_accuracy": 91.5}, [{"epoch": 1, "lr": 0.1}], b"\x80\x01", "", "", "")
FAILED = Outcome({}, [], None, "diverged", "loss is nan")


@pytest.fixture
def trainings(tmp_path):
    (tmp_path / "u1").mkdir()
    return tmp_path


def saved(trainings, outcome, uid="u1"):
    result_files.save(trainings / uid / result_files.RESULT, uid, outcome)


def with_weights(trainings, content=b"weights"):
    (trainings / "u1" / result_files.WEIGHTS).write_bytes(content)
    return replace(WHOLE, weights=hashlib.sha256(b"weights").hexdigest())


@pytest.mark.parametrize("outcome", [WHOLE, FAILED, replace(WHOLE, weights="ab")])
def test_text_and_back(outcome):
    text = result_files.encode("u1", outcome)
    assert result_files.decode("u1", text) == outcome
    assert result_files.decode("u1", text.encode()) == outcome
    assert result_files.decode("u2", text) is None
    assert result_files.decode("u1", text.replace("metrics", "METRICS")) is None
    assert result_files.decode("u1", "{") is None


def test_a_result_of_an_older_version_has_no_weights():
    from spaces import durable

    body = json.loads(result_files.encode("u1", WHOLE))
    del body["weights"], body["sha256"]
    assert result_files.decode("u1", durable.seal(body)) == WHOLE


def test_a_result_is_adopted_if_it_and_its_weights_are_whole(trainings):
    assert result_files.adopt(trainings, "u1") is None
    saved(trainings, WHOLE)
    assert result_files.adopt(trainings, "u1") == WHOLE
    outcome = with_weights(trainings)
    saved(trainings, outcome)
    assert result_files.adopt(trainings, "u1") == outcome
    (trainings / "u1" / result_files.WEIGHTS).write_bytes(b"other")
    assert result_files.adopt(trainings, "u1") is None
    (trainings / "u1" / result_files.WEIGHTS).unlink()
    assert result_files.adopt(trainings, "u1") is None
    assert result_files.has_weights(trainings, "u1", WHOLE) is True
    assert result_files.has_weights(trainings, "u1", outcome) is False


def test_a_discarded_result_is_gone_and_may_be_gone_already(trainings):
    saved(trainings, WHOLE)
    result_files.discard(trainings, "u1")
    result_files.discard(trainings, "u1")
    assert result_files.adopt(trainings, "u1") is None


def test_files_are_carried_to_another_machine_the_result_last(trainings, tmp_path, monkeypatch):
    saved(trainings, with_weights(trainings))
    files = result_files.carry(trainings, "u1")
    assert list(files) == [result_files.WEIGHTS, result_files.RESULT]
    assert result_files.carry(trainings, "unknown") == {}
    assert result_files.carry(trainings, "u1", ["nothing", result_files.WEIGHTS]) == {result_files.WEIGHTS: b"weights"}
    written = []
    write = result_files.durable.write
    monkeypatch.setattr(
        result_files.durable, "write", lambda path, content: written.append(path.name) or write(path, content)
    )
    there = tmp_path / "there"
    result_files.receive(there, "u1", dict(reversed(files.items())) | {"../evil": b"x"})
    assert written == [result_files.WEIGHTS, result_files.RESULT]
    assert result_files.adopt(there, "u1") == result_files.adopt(trainings, "u1")
    result_files.receive(there, "u2", {"evil": b"x"})
    assert not (there / "u2").exists()


def test_the_last_of_a_long_traceback_is_read(trainings):
    assert result_files.hung(trainings, "u1") == ""
    (trainings / "u1" / result_files.HANG).write_text("first" + "x" * 3990 + "last")
    assert result_files.hung(trainings, "u1") == ("first" + "x" * 3990 + "last")
    (trainings / "u1" / result_files.HANG).write_text("first" + "x" * 5000 + "last")
    assert result_files.hung(trainings, "u1") == "x" * 3996 + "last"


def test_results_are_listed_by_uid(trainings):
    saved(trainings, WHOLE)
    (trainings / "u2").mkdir()
    assert result_files.uids(trainings) == {"u1"}


def test_weights_that_are_damaged_or_missing_are_named(trainings):
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    (training,) = ledgers.play(ledger, [(plain, Seed(0))], [ledgers.ended(90.0)])
    none = replace(training, uid="u1")
    path = trainings / "u1" / result_files.WEIGHTS
    assert result_files.weights(trainings, none) == path
    kept = replace(none, weights=with_weights(trainings).weights)
    assert result_files.weights(trainings, kept) == path
    path.write_bytes(b"other")
    with pytest.raises(UserError, match=r"the weights of t0, .*, are damaged") as caught:
        result_files.weights(trainings, kept)
    assert caught.value.code == 4
    path.unlink()
    with pytest.raises(UserError, match="are missing"):
        result_files.weights(trainings, kept)
