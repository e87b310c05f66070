"""A small run, damaged in every way: the doctor names what is wrong. No Ray, and no MLflow."""

import fcntl
import json
import shutil
import sqlite3
import sys
from contextlib import closing

import numpy as np
import pytest
from safetensors.numpy import save_file

from search import config
from search.cli import app
from search.config import Experiment
from search.doctor.diagnosis import examine, results
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state import result_files, schema
from search.state.completion_fact import Completion
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Outcome
from search.state.run_folder import RunFolder
from search.state.shared_facts import SHARED_UID, SharedNetworkFact
from senet_nas.recipe import Seed
from spaces import durable
from tests.search import ledgers

KEYS = {"cifar_resnet8/-/-/-": "plain", "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition": "stage 3"}
EXPERIMENT = {"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "budget": {"trainings": 8}}
ROLES = ["search"] * 2 + ["confirm"] * 2


def end(place, ledger, training, outcome):
    (place.trainings / training.uid).mkdir()
    result_files.save(place.trainings / training.uid / result_files.RESULT, training.uid, outcome)
    ledgers.end(ledger, training, outcome)


def fill(place):
    """Nine trainings of two architectures, the last of them failed, four of them of a confirmation."""
    ledger = Ledger(place.ledger)
    ledgers.enter(ledger, [0.0, 1.0], keys=list(KEYS), names=list(KEYS.values()))
    for block, role in enumerate(ROLES):
        rows = [(entry, Seed(block)) for entry in ledger.entries]
        ledger.plan(rows, role=role, origin="confirmation 1" if role == "confirm" else "sampler")
    ledger.plan([(ledger.entries[1], Seed(4))], role="search", origin="sampler")
    for number, training in enumerate(ledger.trainings):
        ledger.start(training.uid)
        curve = [{"epoch": 1, "train_loss": float("nan")}, {"epoch": 2, "val_accuracy": 90.0 + number}]
        failure = "diverged" if number == 8 else ""
        end(place, ledger, training, Outcome({"val_accuracy": 90.0 + number}, curve, b"\xaa", failure))
        if training.role == "confirm":
            save_file({"x": np.arange(9.0)}, place.trainings / training.uid / result_files.WEIGHTS)
    return ledger


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    place.create()
    (place.path / "lock").touch()
    text = config.to_yaml(Experiment.from_dict(EXPERIMENT))
    durable.write(place.config, text)
    with closing(fill(place)) as ledger:
        ledger.note(Facts(config=text, complete=Completion(8)))
        durable.write(place.path / "front.json", compute("run", ledger, Rules(DEFAULT)).to_json())
    return place


@pytest.fixture
def place(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def broken(place):
    return [finding.invariant for finding in examine(place)]


def sql(place, *statements):
    with closing(sqlite3.connect(place.ledger, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.create_function("digest", -1, schema._digest, deterministic=True)
        for statement in statements:
            db.execute(statement)
        for table in schema.TABLES:
            schema.sign(db, table)


def result_of(place, number):
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        return place.trainings / ledger.trainings[number].uid / result_files.RESULT


def reword_front(place, **changes):
    path = place.path / "front.json"
    found = json.loads(path.read_text())
    found["points"][1] |= changes
    path.write_text(json.dumps(found))


def save_other(place, number, outcome):
    path = result_of(place, number)
    result_files.save(path, path.parent.name, outcome)


def foreign_result(place):
    (place.trainings / "foreign").mkdir()
    result_files.save(place.trainings / "foreign" / result_files.RESULT, "foreign", Outcome({"val_accuracy": 1.0}))


def lose_architecture(place):
    sql(place, "PRAGMA foreign_keys = OFF", "UPDATE trainings SET architecture = 7 WHERE number = 8")


def configure(place, **more):
    """Another config, noted as the driver notes it."""
    text = config.to_yaml(Experiment.from_dict({**EXPERIMENT, **more}))
    durable.write(place.config, text)
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(config=text))


def note_shared(place, state):
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(shared_network=SharedNetworkFact(2, 9, 1.5, state=state)))


def smaller_budget(place):
    configure(place, budget={"trainings": 7})


OPEN = "UPDATE trainings SET state = '{}' WHERE number = 5"
DAMAGES = {
    "foreign result": (["I1"], foreign_result),
    "gap": (["I1", "I2"], lambda p: sql(p, "DELETE FROM trainings WHERE number = 4")),
    "gap of an architecture": (["I2"], lambda p: sql(p, "UPDATE architectures SET number = 9 WHERE key = 'gone'",
                                                     "INSERT INTO architectures VALUES (9, 'net/-', 'x', '{}', '')")),
    "unknown architecture": (["I2"], lose_architecture),
    "orphan": (["I3"], lambda p: sql(p, OPEN.format("running"), "DELETE FROM meta WHERE key = 'complete'")),
    "orphaned shared network": (["I3"], lambda p: note_shared(p, "running")),
    "another accuracy in the ledger": (
        ["I4"], lambda p: sql(p, """UPDATE trainings SET metrics = '{"val_accuracy": 95.5}' WHERE number = 5""")),
    "another accuracy on disk": (["I4"], lambda p: save_other(p, 0, Outcome({"val_accuracy": 99.0}))),
    "a success that the ledger lost": (["I4"],
                                          lambda p: save_other(p, 8, Outcome({"val_accuracy": 99.0}, [{"epoch": 1}]))),
    "a success that became a failure": (["I4"], lambda p: sql(
        p, "UPDATE trainings SET state = 'failed', reason = 'worker died' WHERE number = 5")),
    "another reason": (["I4"], lambda p: sql(p, "UPDATE trainings SET reason = 'other' WHERE number = 8")),
    "a failure that finished": (["I4"], lambda p: save_other(p, 3, Outcome(failure="diverged"))),
    "damaged result": (["I4"], lambda p: result_of(p, 2).write_text("{}")),
    "budget": (["I5"], smaller_budget),
    "no weights": (["I7"], lambda p: (result_of(p, 5).parent / result_files.WEIGHTS).unlink()),
    "damaged weights": (["I7"], lambda p: (result_of(p, 6).parent / result_files.WEIGHTS).write_bytes(b"\x00" * 40)),
    "no front": (["I9"], lambda p: (p.path / "front.json").unlink()),
    "damaged front": (["I9"], lambda p: (p.path / "front.json").write_text("[1]")),
    "another verdict": (["I9"], lambda p: reword_front(p, verdict="better than ever")),
    "another member": (["I9"], lambda p: reword_front(p, on_front="maybe")),
    "another architecture": (["I9"], lambda p: reword_front(p, id="a7")),
    "plain lost": (["I4", "I9"], lambda p: sql(
        p, "UPDATE trainings SET state = 'failed', reason = 'x' WHERE architecture = 0")),
    "half-written file": (["I10"], lambda p: (p.trainings / "result.json.tmp").touch()),
    "no config": (["I0"], lambda p: p.config.unlink()),
    "bad config": (["I0"], lambda p: p.config.write_text("serach: {}\n")),
    "a config that is no text": (["I0"], lambda p: p.config.write_bytes(b"\xff\x00")),
    "metrics that are none": (["I0"], lambda p: sql(p, "UPDATE trainings SET metrics = '[1]' WHERE number = 5")),
    "metrics that are no JSON": (["I0"], lambda p: sql(p, "UPDATE trainings SET metrics = '{' WHERE number = 5")),
    "a fact that is no JSON": (["I0"], lambda p: sql(p, "INSERT INTO meta VALUES ('x', '{', '')")),
    "newer ledger": (["I0"], lambda p: sql(p, "PRAGMA user_version = 99")),
    "empty ledger": (["I0"], lambda p: p.ledger.write_bytes(b"")),
    "no database": (["I0"], lambda p: p.ledger.write_bytes(b"hello" * 999)),
}  # fmt: skip


def test_a_whole_run_is_whole(place):
    assert examine(place) == []
    assert [r.name for r in results(place) if r.skipped] == ["I8"]


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found_and_has_a_remedy(place, name):
    expected, damage = DAMAGES[name]
    damage(place)
    findings = examine(place)
    assert sorted({finding.invariant for finding in findings}) == expected
    assert all(finding.problem and finding.remedy for finding in findings)
    assert not any("\n" in finding.problem for finding in findings)


def test_the_result_of_a_shared_network_is_known(place):
    (place.trainings / SHARED_UID).mkdir()
    result_files.save(place.trainings / SHARED_UID / result_files.RESULT, SHARED_UID, Outcome({"val_accuracy": 1.0}))
    assert broken(place) == ["I1"]
    note_shared(place, "finished")
    assert examine(place) == []


def test_what_is_wrong_has_the_name_of_the_training(place):
    (result_of(place, 6).parent / result_files.WEIGHTS).unlink()
    (finding,) = examine(place)
    assert finding.problem == "weights are missing: t6"


@pytest.mark.parametrize(
    "name", ["ledger.sqlite", "front.json", "config.yaml", result_files.RESULT, result_files.WEIGHTS]
)
@pytest.mark.parametrize("tenth", range(10))
def test_every_file_truncated_anywhere_is_named(place, name, tenth):
    path = place.path / name
    path = path if path.exists() else result_of(place, 5).parent / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenth // 10])
    findings = examine(place)
    assert any(name in f.problem or (name == result_files.WEIGHTS and "weights" in f.problem) for f in findings)


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("name", ["ledger.sqlite", result_files.RESULT])
def test_a_flipped_byte_is_found_or_does_not_matter(place, name, tenth):
    path = place.ledger if name == "ledger.sqlite" else result_of(place, 5)
    content = bytearray(path.read_bytes())
    content[len(content) * tenth // 10] ^= 1
    path.write_bytes(content)
    assert name == "ledger.sqlite" or broken(place) == ["I4"]
    assert all(finding.remedy for finding in examine(place))


def test_while_a_driver_works_what_is_on_its_way_is_not_judged(place):
    sql(place, OPEN.format("running"))
    (place.trainings / "result.json.tmp").touch()
    with (place.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert examine(place) == []
        skipped = {r.name: r.skipped for r in results(place) if r.skipped}
    assert skipped.keys() == {"I1", "I3", "I4", "I8", "I9", "I10"}
    assert skipped["I3"] == "a driver works on the run"
    assert {"I3", "I10"} <= set(broken(place))


def test_an_extended_run_is_not_complete_until_it_is_again(place):
    configure(place, budget={"trainings": 40})
    (place.path / "front.json").unlink()
    assert examine(place) == []


def test_a_run_of_a_loop_without_a_config_is_examined_as_far_as_it_goes(place):
    sql(place, "DELETE FROM meta WHERE key = 'config'")
    place.config.unlink()
    assert examine(place) == []
    assert {r.name for r in results(place) if r.skipped} == {"I5", "I7", "I8"}


def test_results_of_others_keep_no_weights(place):
    configure(place, evaluate="python:mine:accuracy")
    for path in place.trainings.glob(f"*/{result_files.WEIGHTS}"):
        path.unlink()
    assert examine(place) == []


def test_to_look_changes_nothing(place):
    before = {path: path.read_bytes() for path in place.path.rglob("*") if path.is_file()}
    examine(place)
    after = {path: path.read_bytes() for path in place.path.rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if k.suffix not in (".sqlite-wal", ".sqlite-shm")} == before


def test_what_the_loop_refused_agrees_with_the_result_on_disk(place):
    with closing(Ledger(place.ledger)) as ledger:
        (training,) = ledger.plan([(ledger.entries[0], Seed(9))], role="search", origin="sampler")
        (place.trainings / training.uid).mkdir()
        outcome = Outcome({"train_loss": 0.1}, [{"epoch": 1}])
        result_files.save(place.trainings / training.uid / result_files.RESULT, training.uid, outcome)
        ledger.fail(training.uid, reason="no accuracy", detail="", curve=outcome.curve)
    assert examine(place) == []


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["senet-search", *map(str, words)])
    return app.exit_status()


def test_the_command_says_ok_and_ends_with_0(place, monkeypatch, capsys):
    assert command(monkeypatch, "doctor", "run", "--runs", place.path.parent) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert all(line.startswith(("ok", "skipped   I8")) for line in lines)


def test_the_command_says_what_is_wrong_and_ends_with_4(place, monkeypatch, capsys):
    (place.path / "front.json").unlink()
    assert command(monkeypatch, "doctor", place.path) == 4
    out, err = capsys.readouterr()
    assert "front.json is missing" in out
    assert f"do: senet-search report run --runs {place.path.parent}" in out
    assert err == "error: 1 thing is wrong with run `run`\n"


def test_json_for_machines(place, monkeypatch, capsys):
    (place.path / "front.json").unlink()
    assert command(monkeypatch, "doctor", "run", "--runs", place.path.parent, "--json") == 4
    found = json.loads(capsys.readouterr().out)
    assert (found["command"], found["run"], found["ok"]) == ("doctor", "run", False)
    assert [f["invariant"] for f in found["findings"]] == ["I9"]
    assert {c["state"] for c in found["checks"]} == {"ok", "wrong", "skipped"}


def test_a_result_that_came_when_the_run_was_stopped_is_not_wrong(place, monkeypatch, capsys):
    sql(place, OPEN.format("waiting"), "DELETE FROM meta WHERE key = 'complete'")
    assert command(monkeypatch, "doctor", "run", "--runs", place.path.parent) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("caution   I1")
    assert lines[2].strip() == "came when the run was stopped: t5"
    assert "do: type the run command again" in lines[3]
    assert command(monkeypatch, "doctor", "run", "--runs", place.path.parent, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["findings"], [n["invariant"] for n in found["notes"]]) == (True, [], ["I1"])
    assert "caution" in {c["state"] for c in found["checks"]}


def test_an_unknown_run_is_a_mistake_of_the_user(tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "doctor", "run", "--runs", tmp_path) == 2
    assert "no run `run`" in capsys.readouterr().err
