"""MLflow, rebuilt from a ledger, whatever became of it. No Ray."""

import json
import shutil
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from search import config
from search.cli import app
from search.config import Experiment
from search.doctor.diagnosis import examine
from search.report.loopback import free_port
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.running import assembly
from search.setup.experiment_setup import prepare
from search.state.completion_fact import Completion
from search.state.facts import DataFact, Facts, SpaceFact
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from search.track import projection, sync
from search.track.client import RUN_UID, connect
from search.track.store import store_address
from search.track.views import UID
from senet_nas.recipe import Seed
from spaces import UserError, durable
from tests.search import ledgers

KEYS = {"cifar_resnet8/-/-/-": "plain", "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition": "stage 3"}
EXPERIMENT = {"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "budget": {"trainings": 6}}
FACTS = Facts(data=DataFact(fingerprint="abc"), space=SpaceFact(57, 64), device="cpu", uid="u1")
# Completed with less than the budget that it has now.
UNFINISHED = Facts(complete=Completion(1))


def fill(ledger):
    """Finished ones, a failed one, one that was interrupted, and one that was never started."""
    entries = ledgers.enter(ledger, [0.0, 1.0], keys=list(KEYS), names=list(KEYS.values()))
    curve = [{"epoch": epoch, "val_accuracy": 80.0 + epoch} for epoch in (1, 2)]
    outcomes = [
        *(ledgers.ended(90.0 + number / 3, curve) for number in range(5)),
        ledgers.failed(curve=curve[:1]),
        None,
    ]
    rows = [(entry, Seed(0, replicate)) for entry in entries for replicate in range(4)]
    *_, interrupted = ledgers.play(ledger, rows[:-1], outcomes)
    ledger.wait(interrupted.uid)
    ledger.plan(rows[-1:], role="search", origin="sampler")


def make(place, **experiment):
    text = config.to_yaml(Experiment.from_dict({**EXPERIMENT, **experiment}))
    place.create()
    durable.write(place.config, text)
    with closing(Ledger(place.ledger)) as ledger:
        fill(ledger)
        ledger.note(replace(FACTS, config=text, complete=Completion(6), tracking="sqlite:////elsewhere/mlflow.db"))
        durable.write(place.path / "front.json", compute("run", ledger, Rules(DEFAULT)).to_json())
    return place


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A run and its store, made once: the schema takes seconds."""
    place = make(RunFolder(tmp_path_factory.mktemp("runs") / "run"))
    assert sync.sync("run", place.path.parent).sent == 7
    return place.path.parent


@pytest.fixture
def runs(template, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return shutil.copytree(template, tmp_path / "runs")


def read(runs):
    client = connect(store_address(None, runs), runs)
    experiment = client.get_experiment_by_name("run")
    found = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = (run for run in found if run.data.tags["senet.kind"] == "search")
    return client, parent, {run.data.tags[UID]: run for run in found if UID in run.data.tags}


def trainings(runs):
    with closing(Ledger(runs / "run" / "ledger.sqlite", read_only=True)) as ledger:
        return ledger.trainings


def wrong_in_mlflow(runs):
    found = examine(RunFolder(runs / "run"))
    assert {finding.invariant for finding in found} <= {"I8"}
    return [finding.problem for finding in found]


def test_an_empty_store_gets_everything(runs):
    client, _, children = read(runs)
    expected = {t.uid: projection.STATUS[t.state] for t in trainings(runs)[:-1]}
    assert {uid: child.info.status for uid, child in children.items()} == expected
    for training in trainings(runs)[:4]:
        child = children[training.uid]
        assert child.data.metrics["val_accuracy"] == training.metrics["val_accuracy"]
        assert child.info.start_time == int(training.started * 1000)
        assert child.info.end_time == int(training.ended * 1000)
        assert len(client.get_metric_history(child.info.run_id, "curve/val_accuracy")) == 2
    assert children[trainings(runs)[5].uid].data.tags["senet.reason"] == "diverged"
    assert wrong_in_mlflow(runs) == []


def test_the_parent_is_as_complete_as_a_run_makes_it(runs):
    client, parent, _ = read(runs)
    done = [t for t in trainings(runs) if t.ended]
    assert parent.info.status == "FINISHED"
    assert parent.info.start_time == int(min(t.created for t in done) * 1000)
    assert parent.info.end_time == int(max(t.ended for t in done) * 1000)
    expected = {
        "backbone": "cifar_resnet8",
        "dataset": "digits",
        "sampler": "auto",
        "trainings": "6",
        "seed": "0",
        "space": "57",
        "device": "cpu",
        "data_fingerprint": "abc",
    }
    assert expected.items() <= parent.data.params.items()
    assert {"epochs", *expected} == parent.data.params.keys()
    assert (parent.data.metrics["trainings"], parent.data.metrics["failed"]) == (5, 1)
    assert parent.data.tags["senet.recommended_id"] == "a0"
    assert "| id |" in parent.data.tags["mlflow.note.content"]
    assert {"config.yaml", "front.json"} <= {a.path for a in client.list_artifacts(parent.info.run_id)}


def test_a_session_notes_all_that_the_description_needs(tmp_path):
    experiment = Experiment.from_dict(EXPERIMENT, base=tmp_path)
    prepared = prepare(experiment)
    described = projection.describe(experiment, assembly.run_facts(prepared))
    assert (described["space"], described["device"]) == (prepared.space.size, "cpu")
    assert described["data_fingerprint"] == prepared.images.fingerprint
    assert described["config"] == config.to_yaml(experiment)


def test_each_child_has_its_stages(runs):
    _, _, children = read(runs)
    params = children[trainings(runs)[4].uid].data.params
    assert [params[f"stage{stage}"] for stage in (1, 2, 3)] == ["-", "-", "avg r=16 pre_addition"]


@pytest.mark.parametrize("backbone", ["net", "cifar_resnet14"])
def test_sites_that_only_a_table_knows_are_left_out(runs, backbone):
    (runs / "mlflow.db").unlink()
    text = config.to_yaml(Experiment.from_dict({**EXPERIMENT, "evaluate": "table:results.csv"}))
    with closing(Ledger(runs / "run" / "ledger.sqlite")) as ledger:
        ledger.note(Facts(config=text.replace("cifar_resnet8", backbone)))
    sync.sync("run", runs)
    assert not any("stage1" in child.data.params for child in read(runs)[2].values())


def histories(client, found):
    return {
        (run.info.run_id, name): len(client.get_metric_history(run.info.run_id, name))
        for run in found
        for name in run.data.metrics
    }


def test_a_second_time_nothing_is_sent_and_nothing_changes(runs):
    client, parent, children = read(runs)
    before = histories(client, [parent, *children.values()])
    sent = sync.sync("run", runs)
    assert (sent.sent, sent.told) == (0, 7)
    _, again, others = read(runs)
    assert again.info.run_id == parent.info.run_id
    assert {c.info.run_id for c in others.values()} == {c.info.run_id for c in children.values()}
    assert histories(client, [again, *others.values()]) == before


def test_a_store_that_was_deleted_is_made_again_and_found_by_ui(runs):
    (runs / "mlflow.db").unlink()
    assert wrong_in_mlflow(runs) == ["in MLflow not there: t0, t1, t2, t3, t4 and 2 more"]
    assert not (runs / "mlflow.db").exists()
    assert sync.sync("run", runs).sent == 7
    assert wrong_in_mlflow(runs) == []
    _, parent, _ = read(runs)
    with closing(Ledger(runs / "run" / "ledger.sqlite")) as ledger:
        assert ledger.facts.mlflow_experiment == parent.info.experiment_id
        assert ledger.facts.tracking == store_address(None, runs)


def double(client, parent, child):
    tags = {UID: child.data.tags[UID], "mlflow.parentRunId": parent.info.run_id, "senet.kind": "training"}
    client.create_run(parent.info.experiment_id, tags=tags)


def invent(client, parent, child):
    tags = {UID: "foreign", "mlflow.parentRunId": parent.info.run_id, "senet.kind": "training"}
    client.create_run(parent.info.experiment_id, tags=tags)


def undescribe(client, parent, child):
    client.delete_run(child.info.run_id)
    double(client, parent, child)


DAMAGES = {
    "a child is gone": ("not there", lambda client, _, child: client.delete_run(child.info.run_id)),
    "a child is doubled": ("there 2 times", double),
    "a child of nobody": ("unknown to the ledger", invent),
    "a kill before the parameters": ("without parameters", undescribe),
    "a kill before the end": ("RUNNING", lambda client, _, child: client.update_run(child.info.run_id, "RUNNING")),
    "another end": ("FAILED instead of", lambda client, _, child: client.set_terminated(child.info.run_id, "FAILED")),
    "another accuracy": (
        "val_accuracy 1.0 instead of",
        lambda client, _, child: client.log_metric(child.info.run_id, "val_accuracy", 1.0, step=9),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_wrong_in_mlflow_is_found_and_mended(runs, name):
    said, damage = DAMAGES[name]
    client, parent, children = read(runs)
    damage(client, parent, children[trainings(runs)[1].uid])
    (problem,) = wrong_in_mlflow(runs)
    assert said in problem
    assert problem.endswith(": foreign" if "nobody" in name else ": t1")
    assert sync.sync("run", runs).sent == (0 if "nobody" in name else 1)
    assert wrong_in_mlflow(runs) == []
    _, again, mended = read(runs)
    assert len(mended) == 7
    assert again.info.run_id == parent.info.run_id
    assert "gain" in mended[trainings(runs)[1].uid].data.metrics


def test_a_parent_that_was_killed_before_its_parameters_gets_them(runs):
    client, parent, children = read(runs)
    for run in (parent, *children.values()):
        client.delete_run(run.info.run_id)
    tags = {"senet.kind": "search", RUN_UID: "u1", "senet.run": "run"}
    made = client.create_run(parent.info.experiment_id, tags=tags)
    sync.sync("run", runs)
    _, again, _ = read(runs)
    assert again.info.run_id == made.info.run_id
    assert again.data.params == parent.data.params


def test_a_damaged_store_is_named_and_can_be_moved_away(runs, monkeypatch, capsys):
    content = (runs / "mlflow.db").read_bytes()
    (runs / "mlflow.db").write_bytes(content[: len(content) // 10])
    (problem,) = wrong_in_mlflow(runs)
    assert problem.startswith("MLflow's store cannot be read: ")
    assert "\n" not in problem
    assert status_of(monkeypatch, "sync", "run", "--runs", runs) == 4
    assert "mlflow.db" in capsys.readouterr().err


def test_a_run_that_was_stopped_is_killed_in_mlflow(runs):
    with closing(Ledger(runs / "run" / "ledger.sqlite")) as ledger:
        ledger.note(UNFINISHED)
    sync.sync("run", runs)
    assert read(runs)[1].info.status == "KILLED"


def test_a_run_without_a_result_is_sent_too(tmp_path, runs):
    with closing(Ledger(runs / "run" / "ledger.sqlite")) as ledger:
        for training in ledger.trainings[:4]:
            ledger.fail(training.uid, reason="diverged", detail="")
        ledger.note(replace(UNFINISHED, uid="u2"))
    assert sync.sync("run", runs).sent == 7


def test_a_config_that_is_gone_comes_from_the_ledger(runs):
    before = (runs / "run" / "config.yaml").read_text()
    (runs / "run" / "config.yaml").unlink()
    sync.sync("run", runs)
    assert (runs / "run" / "config.yaml").read_text() == before


def test_while_a_driver_works_it_does_not_write_beside_it(runs):
    with RunFolder(runs / "run").lock(), pytest.raises(UserError, match="another senet-search works on") as caught:
        sync.sync("run", runs)
    assert caught.value.code == 4


def status_of(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["senet-search", *map(str, words)])
    return app.exit_status()


def test_the_command_says_how_many(runs, monkeypatch, capsys):
    assert status_of(monkeypatch, "sync", "run", "--runs", runs) == 0
    assert "run: 0 of 7 trainings sent to sqlite:///" in capsys.readouterr().out


def test_json_for_machines(runs, monkeypatch, capsys):
    (runs / "mlflow.db").unlink()
    assert status_of(monkeypatch, "sync", "run", "--runs", runs, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["command"], found["sent"], found["told"]) == ("sync", 7, 7)


def test_a_dead_server_is_said_with_its_reason_and_ends_with_4(tmp_path, monkeypatch, capsys):
    port = free_port(21_000)
    make(RunFolder(tmp_path / "run"), tracking={"uri": f"http://127.0.0.1:{port}"})
    assert status_of(monkeypatch, "sync", "run", "--runs", tmp_path) == 4
    said = capsys.readouterr().err
    assert f"cannot send to MLflow at http://127.0.0.1:{port}: " in said
    assert "hint: " in said
    assert len(said.splitlines()) == 2


def test_a_password_that_was_not_kept_must_be_given_again(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = f"http://me:s3cret@127.0.0.1:{free_port(22_000)}"
    make(RunFolder(tmp_path / "run"), tracking={"uri": uri})
    assert status_of(monkeypatch, "sync", "run", "--runs", tmp_path) == 4
    assert "without its password" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert status_of(monkeypatch, "sync", "run", "--runs", tmp_path) == 4
    said = capsys.readouterr().err
    assert "cannot send to MLflow at http://me:***@127.0.0.1" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(("ended", "status"), [("FAILED", "FAILED"), ("KILLED", "KILLED"), (None, "KILLED")])
def test_a_run_that_is_not_complete_has_the_status_of_its_last_session(runs, ended, status):
    (runs / "mlflow.db").unlink()
    with closing(Ledger(runs / "run" / "ledger.sqlite")) as ledger:
        ledger.note(replace(UNFINISHED, session_ended=ended))
    sync.sync("run", runs)
    assert read(runs)[1].info.status == status
