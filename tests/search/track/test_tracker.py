"""MLflow as a projection: read back through its own client."""

import json
import math
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from search.report import loopback
from search.report.answer_card import subject
from search.report.verdict_styles import VERDICT_STYLES
from search.results import compute, history
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.facts import GitFact, encode
from search.state.ledger import Ledger
from search.state.records import Pause
from search.state.shared_facts import SharedNetworkFact
from search.track import projection, views
from search.track.client import child_of, connect, known
from search.track.store import store_address
from search.track.tracker import Tracker
from senet_nas.recipe import Seed
from spaces.spec import Site
from tests.search import ledgers

DESCRIBE = {"backbone": "net", "config": "name: run\n"}
SITES = [Site("1.0", 1, {"pre_addition": 16}), Site("2.0", 2, {"pre_addition": 32})]
KEYS = {"net/-/-": "plain", "net/-/avg:fc2:sigmoid@pre_addition": "stage 2: avg r=16 pre_addition"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An empty store: its schema takes seconds to make, so it is made once and copied."""
    runs = tmp_path_factory.mktemp("template")
    connect(store_address(None, runs), runs)
    return runs / "mlflow.db"


@pytest.fixture
def runs(template, tmp_path):
    shutil.copy(template, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def ledger():
    """Plain and another architecture; finished, failed, and one that was interrupted."""
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger, keys=list(KEYS), names=list(KEYS.values()))
    curve = [{"epoch": e, "val_accuracy": 90.0 + e, "train_loss": math.nan, "lr": 0.1} for e in (1, 2)]
    ended = [
        ledgers.ended(95.0 + i / 10, curve, train_loss=math.inf if i == 1 else 0.1, grad_norm=0.2) for i in range(4)
    ]
    rows = [(entry, Seed(0, replicate)) for entry in entries for replicate in range(3)]
    ledgers.play(ledger, rows, [*ended, ledgers.failed(), None])
    return ledger


def tracker_of(runs, *, uri=None, run="run", **more):
    return Tracker(uri or store_address(None, runs), experiment="run", run=run, runs=runs, describe=DESCRIBE, **more)


def track(runs, ledger, *, status="FINISHED", timeout=60.0, history=(), **more):
    tracker = tracker_of(runs, **more)
    tracker.start()
    for training in ledger.trainings:
        tracker.training(training, ledger.entries[training.architecture])
    found = compute.compute("run", ledger, Rules(DEFAULT))
    (runs / "front.csv").write_text(found.to_csv())
    return tracker.close(found, runs, ledger.trainings, status=status, timeout=timeout, history=history)


def read_all(runs):
    client = connect(store_address(None, runs), runs)
    experiment = client.get_experiment_by_name("run")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = [r for r in found if r.data.tags["senet.kind"] == "search"]
    return client, experiment, parents, [r for r in found if r.data.tags["senet.kind"] == "training"]


def read(runs):
    client, experiment, (parent,), children = read_all(runs)
    return client, experiment, parent, {r.data.tags["senet.training_uid"]: r for r in children}


def test_one_parent_and_one_child_for_each_training_with_true_states(runs, ledger):
    assert track(runs, ledger) == []
    _, _, parent, children = read(runs)
    assert set(children) == {t.uid for t in ledger.trainings}
    expected = {"finished": "FINISHED", "failed": "FAILED", "running": "RUNNING"}
    for training in ledger.trainings:
        child = children[training.uid]
        assert child.info.status == expected[training.state]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.tags.get("senet.reason", "") == training.reason
        assert child.data.params["placement"] == ledger.entries[training.architecture].label
    assert parent.info.status == "FINISHED"
    assert parent.data.params["backbone"] == "net"


def test_what_the_gpus_do_is_a_series_of_system_metrics_of_the_parent(runs, ledger):
    tracker = tracker_of(runs)
    tracker.start()
    for second, busy in ((1000, 10.0), (1010, 90.0)):
        tracker.system({"system/gpu_0_utilization_percentage": busy}, float(second))
    assert tracker.close(None, runs, [], status="FINISHED") == []
    client, _, parent, _ = read(runs)
    series = client.get_metric_history(parent.info.run_id, "system/gpu_0_utilization_percentage")
    assert [(point.timestamp, point.value) for point in series] == [(1_000_000, 10.0), (1_010_000, 90.0)]


def test_an_interrupted_training_is_killed_and_runs_again_when_it_does(runs, ledger):
    ledger.wait(ledger.trainings[-1].uid)
    track(runs, ledger, status="KILLED")
    assert read(runs)[3][ledger.trainings[-1].uid].info.status == "KILLED"
    ledger.start(ledger.trainings[-1].uid)
    track(runs, ledger)
    assert read(runs)[3][ledger.trainings[-1].uid].info.status == "RUNNING"


def test_a_training_that_was_stopped_early_is_told_once_with_its_curve_and_without_a_result(runs, ledger):
    stopped = ledger.trainings[-1].uid
    ledger.stop(stopped, reason="not among the best", curve=[{"epoch": 1, "val_accuracy": 80.0}], share=0.5)
    for _ in range(2):
        assert track(runs, ledger) == []
        client, _, parent, children = read(runs)
        child = children[stopped]
        assert (child.info.status, child.data.tags["senet.state"]) == ("KILLED", "stopped")
        assert child.data.tags["senet.reason"] == "not among the best"
        assert "val_accuracy" not in child.data.metrics
        assert len(client.get_metric_history(child.info.run_id, "curve/val_accuracy")) == 1
        assert parent.data.metrics["trainings"] == sum(t.state == "finished" for t in ledger.trainings)


def test_a_paused_training_shows_its_curve_and_continues_as_the_same_run(runs, ledger):
    curve = [{"epoch": epoch, "val_accuracy": 80.0 + epoch} for epoch in range(1, 5)]
    (training,) = ledger.plan([(ledger.entries[1], Seed(7))], role="search", origin="sampler", pause=Pause(2, 0.5))
    ledger.start(training.uid)
    ledger.pause(training.uid, curve=curve[:2])
    for _ in range(2):
        assert track(runs, ledger) == []
        client, _, parent, children = read(runs)
        child = children[training.uid]
        assert (child.info.status, child.data.tags["senet.state"]) == ("KILLED", "paused")
        assert child.data.tags["senet.paused_after"] == "2"
        assert "senet.reason" not in child.data.tags
        assert "val_accuracy" not in child.data.metrics
        assert drawn(client, child) == [1, 2]
        assert parent.data.metrics["trainings"] == 4
    assert differences(ledger, client) == {}
    ledger.resume(training.uid)
    ledger.start(training.uid)
    track(runs, ledger)
    assert read(runs)[3][training.uid].info.status == "RUNNING"
    ledger.finish(training.uid, metrics={"val_accuracy": 84.0}, curve=curve, correct=None)
    track(runs, ledger)
    client, _, _, children = read(runs)
    child = children[training.uid]
    assert (child.info.status, child.data.tags["senet.state"]) == ("FINISHED", "finished")
    assert drawn(client, child) == [1, 2, 3, 4]
    assert child.data.metrics["val_accuracy"] == 84.0


def drawn(client, child):
    """The epochs of a curve as MLflow has them."""
    return [metric.step for metric in client.get_metric_history(child.info.run_id, "curve/val_accuracy")]


def differences(ledger, client):
    _, children = known(client, client.get_experiment_by_name("run").experiment_id, {"senet.run": "run"})
    return projection.differences(ledger.trainings, [child_of(run) for run in children])


def test_sent_again_nothing_is_doubled(runs, ledger):
    for _ in range(2):
        assert track(runs, ledger) == []
    _, _, _, children = read(runs)
    assert len(children) == len(ledger.trainings)


def test_a_kill_between_log_and_end_doubles_no_number(runs, ledger):
    track(runs, ledger)
    client, _, parent, children = read(runs)
    child = children[ledger.trainings[0].uid].info.run_id
    client.update_run(child, status="RUNNING")
    track(runs, ledger)
    assert len(client.get_metric_history(child, "curve/val_accuracy")) == 2
    assert len(client.get_metric_history(child, "val_accuracy")) == 1
    assert client.get_run(child).info.status == "FINISHED"
    assert client.get_run(parent.info.run_id).data.metrics["trainings"] == 4


def test_another_run_of_the_same_name_is_another_parent(runs, ledger):
    track(runs, ledger, uid="first")
    track(runs, ledger, uid="second")
    _, _, parents, children = read_all(runs)
    assert {p.data.tags["senet.run_uid"] for p in parents} == {"first", "second"}
    assert len(children) == 2 * len(ledger.trainings)


def test_the_description_of_the_experiment_begins_with_the_verdicts_of_its_searches(runs, ledger):
    track(runs, ledger, run="first")
    tracker = tracker_of(runs, run="second")
    tracker.start()
    tracker.close(None, runs, [], status="KILLED")
    _, experiment, _, _ = read_all(runs)
    verdict = compute.compute("run", ledger, Rules(DEFAULT)).verdict
    latest, before, *_ = experiment.tags["mlflow.note.content"].split("\n\n")
    assert latest.endswith("**second**: no result yet")
    assert before == f"**first**: {verdict}"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_runs_that_open_one_experiment_at_the_same_time_share_it(runs):
    trackers = [tracker_of(runs, run=f"run-{i}") for i in range(3)]
    for tracker in trackers:
        tracker.start()
    assert [tracker.close(None, runs, [], status="KILLED") for tracker in trackers] == [[], [], []]
    _, experiment, parents, _ = read_all(runs)
    assert len(parents) == 3
    shown = {name: value for name, value in experiment.tags.items() if name.startswith("mlflow.sharedViewState.")}
    for parent in parents:
        key = views.view_key(parent.data.tags["senet.run"])
        assert parent.info.run_id in shown[f"mlflow.sharedViewState.{key}"]


def test_what_only_waits_is_not_told(runs, ledger):
    (planned,) = ledger.plan([(ledger.entries[0], Seed(1))], role="search", origin="sampler")
    track(runs, ledger)
    assert planned.uid not in read(runs)[3]


def test_an_architecture_is_represented_by_a_training_that_finished(runs, ledger):
    (failed,) = (t for t in ledger.trainings if t.state == "failed")
    trainings = sorted(ledger.trainings, key=lambda t: t.uid != failed.uid)
    tracker = tracker_of(runs)
    tracker.start()
    for training in trainings:
        tracker.training(training, ledger.entries[training.architecture])
    tracker.close(compute.compute("run", ledger, Rules(DEFAULT)), runs, trainings, status="FINISHED")
    chosen = [c for c in read(runs)[3].values() if c.data.tags.get("senet.representative") == "1"]
    assert [c.info.status for c in chosen] == ["FINISHED", "FINISHED"]


def test_the_curve_of_a_long_training_is_whole(runs, ledger):
    (long,) = ledger.plan([(ledger.entries[0], Seed(1))], role="search", origin="sampler")
    ledger.start(long.uid)
    names = ("train_loss", "val_accuracy", "val_log_loss", "lr")
    curve = [{"epoch": epoch, **dict.fromkeys(names, 0.5)} for epoch in range(1, 301)]
    ledger.finish(long.uid, metrics={"val_accuracy": 95.0}, curve=curve, correct=None)
    assert track(runs, ledger) == []
    client, _, _, children = read(runs)
    child = children[long.uid].info.run_id
    assert [len(client.get_metric_history(child, f"curve/{name}")) for name in names] == [300] * 4


def test_each_stage_is_a_param_to_group_by(runs, ledger):
    assert track(runs, ledger, sites=SITES) == []
    _, _, _, children = read(runs)
    plain, other = (children[ledger.trainings[i].uid].data.params for i in (0, 3))
    assert (plain["stage1"], plain["stage2"]) == ("-", "-")
    assert (other["stage1"], other["stage2"]) == ("-", "avg r=16 pre_addition")


def test_figures_curves_and_verdicts_answer_which_one(runs, ledger):
    track(runs, ledger)
    client, _, parent, children = read(runs)
    first = children[ledger.trainings[0].uid]
    assert first.data.metrics["val_accuracy"] == 95.0
    assert first.data.metrics["params_overhead"] == 0.0
    assert {"gain", "gain_low", "gain_high", "n_seeds", "on_front"} <= first.data.metrics.keys()
    assert [m.step for m in client.get_metric_history(first.info.run_id, "curve/val_accuracy")] == [1, 2]
    assert sum(child.data.tags.get("senet.representative") == "1" for child in children.values()) == 2
    assert parent.data.tags["senet.recommended_id"] == "a0"
    assert (parent.data.metrics["trainings"], parent.data.metrics["failed"]) == (4, 1)
    assert "| id |" in parent.data.tags["mlflow.note.content"]
    assert {a.path for a in client.list_artifacts(parent.info.run_id)} == {
        "config.yaml",
        "environment.json",
        "front.csv",
        "front_table.json",
    }


def test_a_child_has_a_dozen_metrics_at_most_and_four_curves(ledger):
    """MLflow's page makes a chart and a column of each: with more it is slow, and nobody finds anything."""
    price = dict.fromkeys(("params", "params_overhead", "macs", "macs_overhead", "latency_ms", "latency_overhead"), 1.0)
    entry = replace(ledger.entries[0], price=price)
    logged = (
        "val_accuracy",
        "val_log_loss",
        "train_loss",
        "grad_norm",
        "gate_mean",
        "gate_saturation",
        "train_seconds",
    )
    curve = [{"epoch": 1, "seconds": 1.0, "lr": 0.1, **dict.fromkeys(logged, 0.5)}]
    training = replace(ledger.trainings[0], metrics=dict.fromkeys(logged, 0.5), curve=curve)
    found = compute.compute("run", ledger, Rules(DEFAULT))
    numbers = projection.figures(training, entry) | next(projection.judged(found, [training]))[2]
    assert {"gain", "gain_low", "gain_high", "latency_overhead"} < numbers.keys()
    assert len(numbers) <= 12
    assert len(projection.curve(training)) == 4


def test_the_parent_says_from_which_commit_and_data_and_in_what_it_ran(runs, ledger):
    state = GitFact(commit="c" * 40, dirty=True, branch="main")
    about = {
        **DESCRIBE,
        "environment": {"versions": {"torch": "2"}, "git": encode(state)},
        "tags": projection.git_tags(state),
        "input": {"name": "digits", "digest": "0123456789abcdef", "source": "{}", "profile": '{"train": 10}'},
    }
    for _ in range(2):  # sent again it is the same
        tracker = Tracker(store_address(None, runs), experiment="run", run="run", runs=runs, describe=about)
        tracker.start()
        assert tracker.close(None, runs, [], status="FINISHED") == []
    client, _, (parent,), _ = read_all(runs)
    assert (parent.data.tags["mlflow.source.git.commit"], parent.data.tags["senet.git_dirty"]) == ("c" * 40, "true")
    ((data, tags),) = [(i.dataset, i.tags) for i in parent.inputs.dataset_inputs]
    assert (data.name, data.digest, data.profile) == ("digits", "0123456789abcdef", '{"train": 10}')
    assert [tag.value for tag in tags] == ["training"]
    kept = json.loads(Path(client.download_artifacts(parent.info.run_id, "environment.json")).read_text())
    assert kept["versions"] == {"torch": "2"}


def test_of_weights_only_those_of_the_front_are_there(runs, ledger):
    """Of each member the training that would be exported: the median of those that kept theirs."""
    for training in ledger.plan(
        [(ledger.entries[0], Seed(1, r)) for r in range(3)], role="confirm", origin="confirmation 1"
    ):
        ledger.start(training.uid)
        accuracy = 95.0 + training.seed.replicate
        (runs / "trainings" / training.uid).mkdir(parents=True)
        (runs / "trainings" / training.uid / "model.safetensors").write_bytes(b"weights")
        ledger.finish(training.uid, metrics={"val_accuracy": accuracy}, curve=[], correct=None, weights="sum")
    for _ in range(2):
        assert track(runs, ledger) == []
    client, _, _, children = read(runs)
    carrying = {uid for uid, child in children.items() if client.list_artifacts(child.info.run_id)}
    (expected,) = (t.uid for t in ledger.trainings if t.role == "confirm" and t.metrics["val_accuracy"] == 96.0)
    assert carrying == {expected}
    assert children[expected].data.tags["senet.weights_sha256"] == "sum"


def test_the_front_is_a_table_that_is_replaced_when_it_is_sent_again(runs, ledger, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_address(None, runs))  # load_table asks the store of the environment
    for _ in range(2):
        assert track(runs, ledger) == []
    client, experiment, _, _ = read(runs)
    table = client.load_table(experiment.experiment_id, "front_table.json")
    members = compute.compute("run", ledger, Rules(DEFAULT)).members
    assert set(table["id"]) == {point.id for point in members}
    assert len(table) == len(members)
    assert list(table["gain"]) == pytest.approx([p.gain for p in sorted(members, key=lambda point: point.params)])


def test_the_parent_has_the_hypervolume_as_a_series_that_is_the_same_when_it_is_sent_again(runs, ledger):
    steps = history.steps(ledger, Rules(DEFAULT))
    for _ in range(2):
        assert track(runs, ledger, history=steps) == []
    client, _, parent, _ = read(runs)
    series = client.get_metric_history(parent.info.run_id, "hypervolume")
    assert [(m.step, m.value) for m in series] == [(s.trainings, s.hypervolume) for s in steps]
    assert len(client.get_metric_history(parent.info.run_id, "hypervolume_low")) == len(steps)
    sizes = client.get_metric_history(parent.info.run_id, "front_size")
    assert [(m.step, m.value) for m in sizes] == [(s.trainings, s.members) for s in steps]
    assert sizes[-1].value == len(compute.compute("run", ledger, Rules(DEFAULT)).members)


def test_the_prepared_chart_shows_latency_where_it_was_measured(ledger):
    found = compute.compute("run", ledger, Rules(DEFAULT))
    assert projection.charted_cost(found) == "params_overhead"
    timed = replace(
        found, points=tuple(replace(point, costs={**point.costs, "latency_overhead": 1.0}) for point in found.points)
    )
    state = views.view("abc", projection.charted_cost(timed))
    assert state["compareRunCharts"][0]["xaxis"]["key"] == "latency_overhead"
    assert "metrics.`latency_overhead`" in state["selectedColumns"]


def test_what_is_no_finite_number_is_not_sent(runs, ledger):
    track(runs, ledger)
    _, _, _, children = read(runs)
    for child in children.values():
        assert all(math.isfinite(value) and abs(value) < 1e300 for value in child.data.metrics.values())
        assert "curve/train_loss" not in child.data.metrics


def test_artifacts_lie_beside_the_runs_wherever_the_command_was_typed(runs, ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    track(runs, ledger)
    assert read(runs)[1].artifact_location == (runs / "mlartifacts").as_uri()


def test_a_dead_server_costs_seconds_and_is_told_once(runs, ledger):
    began = time.monotonic()
    said = []
    assert track(runs, ledger, uri=f"http://127.0.0.1:{loopback.free_port(20_000)}", say=said.append) == []
    assert len(said) == 1
    assert "127.0.0.1" in said[0]
    assert time.monotonic() - began < 60


def test_a_server_that_never_answers_is_not_waited_for(runs, ledger):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        problems = track(runs, ledger, uri=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
    assert "not sent within" in problems[-1]


def test_precedence_of_the_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_address(None, tmp_path) == f"sqlite:///{tmp_path.resolve()}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert store_address(None, tmp_path) == "http://server"
    assert store_address("http://mine", tmp_path) == "http://mine"


def test_the_ui_listens_on_this_machine_only(tmp_path):
    argv, env = views.ui_command("sqlite:///x", tmp_path, 5001)
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--allowed-hosts") + 1] == "localhost:5001,127.0.0.1:5001,mlflow.localhost:5001"
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_ui_finds_no_modules_in_the_working_directory(tmp_path):
    """A file yaml.py or search.py of the user there ended the server (fault 12)."""
    argv, env = views.ui_command("sqlite:///x", tmp_path, 5001)
    assert argv[1] == "-P"
    assert env["PYTHONSAFEPATH"] == "1"
    assert argv[argv.index("--uvicorn-opts") + 1] == f"--app-dir {tmp_path.resolve()}/mlartifacts"


@pytest.mark.parametrize(
    ("found", "expected"),
    [({"127.0.0.1"}, "mlflow.localhost"), ({"127.0.0.1", "10.1.2.3"}, "127.0.0.1"), (None, "127.0.0.1")],
)
def test_the_address_has_a_name_at_which_no_assistant_opens_where_every_browser_finds_it(monkeypatch, found, expected):
    def resolved(name, port, **how):
        assert name == "mlflow.localhost"
        if found is None:
            raise socket.gaierror("not known")
        return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(views.socket, "getaddrinfo", resolved)
    assert views.host() == expected


def test_what_a_run_has_found_so_far_is_there_before_it_ends(runs, ledger):
    tracker = tracker_of(runs)
    tracker.start()
    for training in ledger.trainings:
        tracker.training(training, ledger.entries[training.architecture])
    found = compute.compute("run", ledger, Rules(DEFAULT))
    tracker.found(found)
    assert tracker.close(None, runs, ledger.trainings, status="RUNNING") == []
    client, _, parent, _ = read(runs)
    assert found.verdict in parent.data.tags["mlflow.note.content"]
    best = subject(found)
    for name, value in (("best_gain", best.gain), ("best_gain_low", best.gain_low), ("sigma", found.sigma)):
        (point,) = client.get_metric_history(parent.info.run_id, name)
        assert (point.step, point.value) == (5, pytest.approx(value))  # five of the trainings have ended
    assert "front_size" not in parent.data.metrics  # that series follows from the history, sent at the end


def test_each_verdict_has_its_colour_in_all_charts(runs, ledger):
    track(runs, ledger)
    found = compute.compute("run", ledger, Rules(DEFAULT))
    _, _, _, children = read(runs)
    for training in ledger.trainings:
        tags = children[training.uid].data.tags
        verdict = found.points[training.architecture].verdict
        assert tags["senet.verdict"] == verdict
        assert tags["mlflow.runColor"] == VERDICT_STYLES[verdict].colour


def test_the_link_opens_on_the_prepared_view():
    link = views.link("http://127.0.0.1:5000", "7", "digits-2")
    assert link.startswith("http://127.0.0.1:5000/#/experiments/7/runs?viewStateShareKey=senet-digits-2&")
    assert views.view("abc")["compareRunCharts"][0]["yaxis"]["key"] == "gain"


# -- the shared network -----------------------------------------------------------------------------------------------

CURVE = tuple({"epoch": e, "train_loss": 1 / e, "val_accuracy": 50.0 + e, "val_log_loss": 1.0} for e in (1, 2, 3))
SHARED = SharedNetworkFact(3, 113, 5.42, state="running", attempts=1, started=100.0)


def shared_runs(runs):
    client = connect(store_address(None, runs), runs)
    found = client.search_runs([client.get_experiment_by_name("run").experiment_id], max_results=1000)
    return client, [run for run in found if run.data.tags["senet.kind"] == "shared network"]


def send_shared(runs, *facts):
    tracker = tracker_of(runs)
    tracker.start()
    for fact in facts:
        tracker.shared_network(fact)
    assert tracker.close(None, runs, [], status="KILLED") == []


def test_the_shared_network_is_a_run_of_its_own_below_the_search(runs, ledger):
    finished = replace(SHARED, state="finished", ended=139.0, seconds=39.0, curve=CURVE)
    send_shared(runs, SHARED)
    _, (made,) = shared_runs(runs)
    assert (made.info.status, made.data.params["placements"]) == ("RUNNING", "113")
    send_shared(runs, replace(SHARED, state="waiting"))
    assert shared_runs(runs)[1][0].info.status == "KILLED"
    for _ in range(2):  # as an earlier session sent it, and as the next one does
        send_shared(runs, SHARED, finished)
        client, (made,) = shared_runs(runs)
        assert (made.info.status, made.info.run_name) == ("FINISHED", "shared network")
        assert made.data.metrics["train_seconds"] == 39.0
        assert [m.value for m in client.get_metric_history(made.info.run_id, "curve/train_loss")] == [1.0, 0.5, 1 / 3]
    assert track(runs, ledger) == []
    _, _, (parent,), children = read_all(runs)
    assert made.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert len(children) == len(ledger.trainings)  # it is none of them


def test_a_shared_network_that_failed_says_why_and_one_that_waits_is_not_told(runs):
    send_shared(runs, replace(SHARED, state="waiting", attempts=0))
    assert shared_runs(runs)[1] == []
    send_shared(runs, replace(SHARED, state="failed", reason="diverged", ended=130.0))
    _, (made,) = shared_runs(runs)
    assert (made.info.status, made.data.tags["senet.reason"]) == ("FAILED", "diverged")


def test_the_shared_network_is_rebuilt_with_the_rest(runs, ledger):
    finished = replace(SHARED, state="finished", ended=139.0, curve=CURVE)
    for _ in range(2):
        tracker_of(runs).rebuild(None, runs, ledger.trainings, ledger.entries, status="KILLED", shared=finished)
        assert [run.info.status for run in shared_runs(runs)[1]] == ["FINISHED"]
