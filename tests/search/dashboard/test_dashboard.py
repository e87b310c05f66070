"""Optuna's dashboard on a run: what the studies hold, when the file is written, and the page in a real browser."""

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import urllib.error
import urllib.request
import webbrowser
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import pytest

from search import config
from search.cli import app
from search.config import Experiment
from search.dashboard import server, study_file
from search.dashboard.studies import studies_of
from search.setup.opened_run import open_run
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from spaces import UserError, durable
from tests import browser
from tests.search import ledgers
from tests.search.servers import free_port

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "search" / "fixtures" / "old_runs"
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A runs folder with a finished run of an earlier version."""
    runs = tmp_path_factory.mktemp("stored") / "runs"
    with tarfile.open(FIXTURES / "digits.tar.xz") as archive:
        archive.extractall(runs, filter="data")
    return runs


@pytest.fixture
def run(stored):
    with open_run("digits", stored) as opened:
        yield opened


def loaded(path):
    """The studies of a file, as Optuna itself reads them."""
    storage = study_file.opened(path)
    summaries = optuna.get_all_study_summaries(storage)
    return [optuna.load_study(study_name=summary.study_name, storage=storage) for summary in summaries]


def test_optuna_reads_the_placements_with_their_intervals_and_the_front_is_ours(run, tmp_path):
    study_file.write(tmp_path / "file", studies_of(run))
    placements, _ = loaded(tmp_path / "file")
    assert placements.study_name == "digits: placements"
    assert placements.metric_names == ["gain", "params_overhead"]
    front = run.front
    for trial, point in zip(placements.trials, front.points, strict=True):
        assert trial.values == [point.gain, point.costs["params_overhead"]]
        about = trial.user_attrs
        assert (about["id"], about["placement"], about["verdict"]) == (point.id, point.label, point.verdict)
        assert (about["gain_low"], about["gain_high"]) == pytest.approx((point.gain_low, point.gain_high), abs=1e-4)
        assert about["recommended"] == (point.id == front.recommended)
    best = {trial.user_attrs["id"] for trial in placements.best_trials}
    assert best == {point.id for point in front.points if point.on_front}


def test_a_placement_is_spelled_by_the_parameters_of_the_space(run, tmp_path):
    study_file.write(tmp_path / "file", studies_of(run))
    placements, _ = loaded(tmp_path / "file")
    by_label = {trial.user_attrs["placement"]: trial.params for trial in placements.trials}
    assert {by_label["plain"][f"stage{n}"] for n in (1, 2, 3)} == {"off"}
    alone = by_label["stage 2: avg r=16 pre_addition"]
    assert [alone[f"stage{n}"] for n in (1, 2, 3)] == ["off", "on", "off"]
    assert (alone["reduction"], alone["squeeze"], alone["position"]) == ("16", "avg", "pre_addition")
    assert set(optuna.importance.get_param_importances(placements, target=lambda trial: -trial.values[0])) >= {"stage1"}


def test_optuna_reads_each_training_with_its_own_accuracy_and_the_gain_of_its_placement(run, tmp_path):
    study_file.write(tmp_path / "file", studies_of(run))
    _, trainings = loaded(tmp_path / "file")
    assert [t.user_attrs["training"] for t in trainings.trials] == [t.name for t in run.ledger.trainings]
    for trial, training in zip(trainings.trials, run.ledger.trainings, strict=True):
        point = run.front[f"a{training.architecture}"]
        assert trial.values == [training.metrics["val_accuracy"], point.costs["params_overhead"]]
        assert trial.user_attrs["gain_low"] == pytest.approx(point.gain_low, abs=1e-4)
        assert trial.datetime_start.timestamp() == pytest.approx(training.started)


LIMITED = {
    "name": "run",
    "data": "digits",
    "model": {"backbone": "cifar_resnet8"},
    "objectives": [{"metric": "accuracy"}, {"metric": "params", "limit": 6}],
}


@pytest.fixture
def written(tmp_path):
    """Makes a run of plain and two placements, one beyond the limit, with these ends of trainings of the first."""

    def make(*outcomes):
        place = RunFolder(tmp_path / "run")
        place.create()
        durable.write(place.config, config.to_yaml(Experiment.from_dict(LIMITED)))
        with closing(Ledger(place.ledger)) as ledger:
            plain, first, dear = ledgers.enter(ledger, [0.0, 5.0, 9.0])
            ledgers.train(ledger, plain, [90.0, 90.5, 90.2], role="baseline", origin="baseline")
            ledgers.train(ledger, dear, [92.0, 92.5])
            ledgers.play(ledger, [(first, Seed(0, n)) for n in range(len(outcomes))], outcomes)
        return open_run("run", tmp_path)

    return make


def test_trainings_that_failed_or_run_are_what_they_are(written, tmp_path):
    with written(ledgers.ended(91.0), ledgers.failed("diverged"), None) as run:
        study_file.write(tmp_path / "file", studies_of(run))
    _, trainings = loaded(tmp_path / "file")
    found = [(trial.state.name, trial.user_attrs.get("reason")) for trial in trainings.trials[-3:]]
    assert found == [("COMPLETE", None), ("FAIL", "diverged"), ("RUNNING", None)]


def test_what_exceeds_a_limit_is_infeasible_and_not_among_the_best(written, tmp_path):
    with written(ledgers.ended(91.0)) as run:
        study_file.write(tmp_path / "file", studies_of(run))
    placements, _ = loaded(tmp_path / "file")
    assert [trial.constraints["params_overhead"] for trial in placements.trials] == [-6.0, -1.0, 3.0]
    assert "a2" not in {trial.user_attrs["id"] for trial in placements.best_trials}


def test_without_plain_there_is_nothing_to_show_yet(tmp_path):
    place = RunFolder(tmp_path / "run")
    place.create()
    durable.write(place.config, config.to_yaml(Experiment.from_dict(LIMITED)))
    with closing(Ledger(place.ledger)) as ledger:
        (plain,) = ledgers.enter(ledger, [0.0])
        ledgers.play(ledger, [(plain, Seed(0))], [None], role="baseline", origin="baseline")
    with open_run("run", tmp_path) as run, pytest.raises(UserError, match="no finished training yet"):
        studies_of(run)


def test_a_file_is_written_again_only_for_new_results(written, tmp_path):
    file = tmp_path / "file"
    with written(ledgers.ended(91.0)) as run:
        before = studies_of(run)
    assert not study_file.is_current(file, before)
    study_file.write(file, before)
    loaded(file)[0].set_user_attr("seen", "by me")  # as a person may in the dashboard
    assert study_file.is_current(file, before)
    with closing(Ledger(tmp_path / "run" / "ledger.sqlite")) as ledger:
        ledgers.train(ledger, ledger.entries[1], [91.5], block=1)
    with open_run("run", tmp_path) as run:
        assert not study_file.is_current(file, studies_of(run))


@pytest.mark.parametrize("content", [b"", b"{broken", b"\xff\xfe"])
def test_a_damaged_file_is_written_again(run, tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    studies = studies_of(run)
    assert not study_file.is_current(file, studies)
    study_file.write(file, studies)
    assert study_file.is_current(file, studies)


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def typed(stored, monkeypatch, capsys):
    def type_(*words):
        monkeypatch.setattr(sys, "argv", ["senet-search", "dashboard", *words, "--runs", str(stored)])
        status = app.exit_status()
        return status, capsys.readouterr()

    return type_


def test_without_the_extra_the_command_names_it_and_writes_nothing(typed, stored, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "optuna_dashboard" else find(name, *more)
    )
    status, printed = typed("digits")
    assert status == 2
    assert "pip install 'senet-search[dashboard]'" in printed.err
    assert not (stored / "digits" / server.FILE).exists()


def asked(port, path="/api/studies", **headers):
    """The status of an answer of the page, and its text."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def answers(monkeypatch):
    """The page is asked for its studies, by its own name and by another, and then ends as by Ctrl-C."""
    found = []
    forever = server._Server.serve_forever

    def once(self):
        def ask():
            found.append(asked(self.server_port))
            found.append(asked(self.server_port, Host=f"elsewhere.example:{self.server_port}"))
            self.shutdown()

        threading.Thread(target=ask).start()
        forever(self, poll_interval=0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(server._Server, "serve_forever", once)
    monkeypatch.setattr(server.loopback, "end_by_signals", lambda: None)
    return found


@pytest.mark.parametrize(("words", "shown"), [((), 1), (("--no-browser",), 0)])
def test_the_command_writes_the_file_and_opens_the_first_study(typed, stored, answers, monkeypatch, words, shown):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setenv("DISPLAY", ":9")
    (stored / "digits" / server.FILE).unlink(missing_ok=True)
    status, printed = typed("digits", "--port", str(free_port()), *words)
    assert status == 0, printed.err
    wrote, address, stop = printed.out.splitlines()
    assert wrote == f"wrote {stored / 'digits' / server.FILE}: 12 placements and 24 trainings"
    assert address.endswith("/dashboard/studies/0")
    assert stop == "Ctrl-C stops it."
    assert opened == [address.split()[-1]] * shown
    (code, text), _ = answers
    assert code == 200
    names = [summary["study_name"] for summary in json.loads(text)["study_summaries"]]
    assert names == ["digits: placements", "digits: trainings"]


def test_a_page_of_somebody_else_cannot_ask_through_the_browser(typed, answers):
    typed("digits", "--port", str(free_port()), "--no-browser")
    assert [code for code, _ in answers] == [200, 403]


def test_without_a_desktop_no_browser_is_opened(typed, answers, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    status, _ = typed("digits", "--port", str(free_port()))
    assert (status, opened) == (0, [])


def test_where_nothing_may_be_written_the_page_is_shown_all_the_same(typed, stored, answers, monkeypatch):
    file = stored / "digits" / server.FILE
    file.unlink(missing_ok=True)
    before = {path: path.read_bytes() for path in (stored / "digits").rglob("*") if path.is_file()}
    write = durable.write

    def refuse(path, content):
        if path == file:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        write(path, content)

    monkeypatch.setattr(durable, "write", refuse)
    status, printed = typed("digits", "--port", str(free_port()), "--no-browser")
    assert status == 0
    caution = f"caution: cannot write {file}: Read-only file system. The studies exist only until Ctrl-C."
    assert printed.out.splitlines()[0] == caution
    assert "digits: placements" in answers[0][1]
    assert {path: path.read_bytes() for path in (stored / "digits").rglob("*") if path.is_file()} == before


@contextmanager
def dashboard(runs):
    """The command as a person types it; gives the address that it prints, and ends it by SIGTERM."""
    process = subprocess.Popen(
        [*COMMAND, "dashboard", "digits", "--runs", str(runs), "--no-browser", "--port", str(free_port())],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield next(line.split()[-1] for line in process.stdout if "http://" in line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) == 0


@pytest.mark.skipif(browser.find() is None, reason="needs Chromium (apt-get install chromium)")
def test_optunas_own_page_shows_front_importances_and_placements_and_asks_nobody_else(stored, run):
    best = run.front.points[-1]
    with dashboard(stored) as address, browser.opened() as chromium:
        page = chromium.page()
        page.open(address)
        page.wait("document.querySelectorAll('.scatterlayer .point').length >= 12")
        page.wait("document.body.innerText.includes('Hyperparameter Importance')")
        text = page.ask("document.body.innerText")
        for shown in ("digits: placements", "Pareto Front", "gain", "params_overhead"):
            assert shown in text
        page.open(f"{address}/trials?numbers={len(run.front.points) - 1}")
        page.wait(f"document.body.innerText.includes({json.dumps(best.label)})")
        assert f"gain_low {round(best.gain_low, 4)}" in " ".join(page.ask("document.body.innerText").split())
        page.open(f"{address}/note")
        page.wait(f"document.body.innerText.includes({json.dumps(run.front.verdict)})")
        assert page.errors == []
        own = (address.split("/dashboard")[0], "data:", "blob:", "about:")
        assert [asked for asked in page.requests if not asked.startswith(own)] == []
