"""`status --watch` shows a run until it has ended; `list NAME` says what each name means."""

import fcntl
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from search import config
from search.cli import app, status
from search.cli.listing import lines, listing
from search.cli.options import print_lines
from search.config import Experiment
from search.report.meanings import meanings
from search.state import run_folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from spaces import durable
from tests.search import ledgers

EXPERIMENT = {"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "train": {"epochs": 7}}


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def type_(*words):
        monkeypatch.setattr(sys, "argv", ["senet-search", *words])
        return app.exit_status(), capsys.readouterr()

    return type_


@pytest.fixture
def run(tmp_path):
    """A run in `runs` whose plain network trains."""
    place = RunFolder(tmp_path / "runs" / "run")
    place.create()
    durable.write(place.config, config.to_yaml(Experiment.from_dict(EXPERIMENT)))
    with closing(Ledger(place.ledger)) as ledger:
        (plain,) = ledgers.enter(ledger, [0.0])
        ledgers.play(ledger, [(plain, Seed(0))], [None], role="baseline", origin="baseline")
    return place


def progress(place, epoch):
    with closing(Ledger(place.ledger)) as ledger:
        ledger.progress(ledger.trainings[0].uid, epoch)


def test_watching_shows_each_state_and_ends_with_the_run(run, typed, monkeypatch):
    waits = []
    with (run.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def wait(seconds):
            waits.append(seconds)
            progress(run, len(waits))
            if len(waits) == 3:
                fcntl.flock(file, fcntl.LOCK_UN)

        monkeypatch.setattr(status.time, "sleep", wait)
        code, said = typed("status", "run", "--watch")
    assert code == 0
    assert waits == [status.WATCH_SECONDS] * 3
    assert [f"epoch {epoch} of 7" in said.out for epoch in range(4)] == [True, True, True, False]
    assert said.out.count("run: running") == 3
    assert said.out.count("run: stopped") == 1


def test_watching_a_run_that_has_ended_shows_it_once(run, typed, monkeypatch):
    monkeypatch.setattr(status.time, "sleep", lambda _: pytest.fail("nothing to wait for"))
    code, said = typed("status", "run", "--watch")
    assert (code, said.out.count("run: stopped")) == (0, 1)


def test_ctrl_c_ends_the_watching_without_an_error(run, typed, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", stop)
    with (run.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, said = typed("status", "--watch")
    assert (code, said.err) == (0, "")


def test_json_is_not_watched(run, typed):
    code, said = typed("status", "--watch", "--json")
    assert (code, "leave --json out" in said.err) == (2, True)


KINDS = [kind for kind in listing(None, Path("runs")) if kind != "networks"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_has_one_line_of_meaning(kind, run, tmp_path):
    names = listing(kind, tmp_path / "runs")[kind]
    found = meanings(kind, names, tmp_path / "runs")
    assert list(found) == names != []
    assert [name for name, text in found.items() if not text or "\n" in text] == []


def test_a_kind_is_listed_with_its_meanings(typed):
    _, said = typed("list", "positions")
    assert said.out.splitlines()[0] == "pre_addition   y = relu(P(x) + SE(F(x))): the paper's SE"
    _, said = typed("list", "excitations")
    assert "eca3  as eca, with k = 3" in said.out.splitlines()


def test_a_terminal_of_80_columns_gets_whole_words_and_a_pipe_whole_lines(monkeypatch, capsys):
    text = "pre_unit      " + "the shortcut sees x without SE " * 4
    print_lines([text])
    assert capsys.readouterr().out == f"{text}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    print_lines([text])
    broken = capsys.readouterr().out.splitlines()
    assert len(broken) == 2
    assert max(map(len, broken)) <= 80
    assert all(line[:14].isspace() and not line[14].isspace() for line in broken[1:])
    assert " ".join(broken).split() == text.split()


def test_a_command_without_a_run_names_those_that_there_are(run, typed):
    code, said = typed("report")
    assert (code, "RUN is missing; runs holds run" in said.err) == (2, True)


def test_a_folder_without_runs_says_so(tmp_path):
    """`list runs` printed an empty line."""
    assert lines({"runs": []}, tmp_path) == [run_folder.held(tmp_path)]
