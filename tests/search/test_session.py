import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from search import Experiment
from search.config import to_yaml
from search.config.sections import BudgetSpec
from search.execute.ray.resources import Slots
from search.execute.trainer import Trainer
from search.exporting.exported_choice import median_training
from search.full_training.plan import plan
from search.report.next_steps import going_on, next_command
from search.report.result_lines import next_lines
from search.running.listeners import Silent
from search.running.resume_checks import agreed_experiment, changed_files
from search.running.training_phase import TrainingPhase
from search.session import result, run
from search.setup.experiment_setup import prepare
from search.setup.opened_run import OpenedRun, kept, open_folder
from search.state.completion_fact import Completion
from search.state.confirmation_facts import AnswerFact, Settled
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from search.state.schema import LONGEST
from senet_nas.data.source_stamp import stamp
from senet_nas.recipe import Seed
from spaces import UserError
from spaces.errors import ENVIRONMENT
from tests.search import ledgers

CONFIG = {"data": {"dataset": "digits", "train": 300}, "model": {"backbone": "cifar_resnet8"}}


@pytest.fixture
def measured(monkeypatch):
    """The networks whose threads were measured; the answer is always three."""
    asked = []
    monkeypatch.setattr(Trainer, "fastest_threads", lambda self, architecture: asked.append(architecture) or 3)
    return asked


def threads(ledger, slots, **resources):
    prepared = prepare(Experiment.from_dict({**CONFIG, "resources": {"slots": 1, "device": "cpu", **resources}}))
    fields = {**vars(prepared), "slots": slots}
    parts = SimpleNamespace(prepared=SimpleNamespace(**fields), ledger=ledger)
    return TrainingPhase(parts, None, print, None).with_threads(prepared.evaluate).task.threads


def test_threads_are_measured_once_in_a_run(measured):
    ledger = Ledger(":memory:")
    assert threads(ledger, Slots(1, 4)) == 3
    assert threads(ledger, Slots(1, 4)) == 3
    assert measured == ["cifar_resnet8/-/-/-"]


@pytest.mark.parametrize(
    ("slots", "resources"), [(Slots(4, 1), {}), (Slots(1, 4, 1.0), {}), (Slots(1, 1), {"cpus_per_slot": 1})]
)
def test_they_are_not_where_there_is_no_choice(measured, slots, resources):
    threads(Ledger(":memory:"), slots, **resources)
    assert not measured


def begun(tmp_path):
    """A run that was begun with a config whose images lie beside it, and nothing trained."""
    project, runs = tmp_path / "project", tmp_path / "elsewhere" / "runs"
    (project / "images").mkdir(parents=True)
    (project / "mine.yaml").write_text("data: {path: ./images}\nmodel: {backbone: cifar_resnet8}\n")
    place = RunFolder(runs / "mine")
    place.create()
    ledger = Ledger(place.ledger)
    agreed_experiment(Experiment.load(project / "mine.yaml"), place, ledger, None, print)
    return project, place, ledger


def test_paths_of_a_run_start_where_its_config_was_whoever_asks_from_wherever(tmp_path, monkeypatch):
    project, place, ledger = begun(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert kept(place, ledger).base == project
    project.rename(tmp_path / "gone")
    assert kept(place, ledger).base == place.path  # as on another machine


def test_a_run_is_trained_in_full_on_the_images_that_lie_beside_its_config(tmp_path, monkeypatch):
    project, place, ledger = begun(tmp_path)
    finished(ledger)
    monkeypatch.chdir(tmp_path)
    usual = {"config_path": None, "pick": "a0", "start": "scratch", "seed": "0", "runs": place.path.parent}
    for overrides in ((), ("train.epochs=1",)):
        planned, _ = plan("mine", overrides=overrides, **usual)
        assert planned.experiment.base == project


def test_a_run_that_is_continued_with_another_config_names_its_own(tmp_path, monkeypatch):
    """Who had typed `--set search.shared=on` was not told that the run has it in its config."""
    project, place, ledger = begun(tmp_path)
    monkeypatch.chdir(tmp_path)
    other = Experiment.load(project / "mine.yaml", ["search.shared=on"])
    with pytest.raises(UserError, match="search.shared: was 'auto', is 'on'") as caught:
        agreed_experiment(other, place, ledger, None, print)
    typed = "senet-search run elsewhere/runs/mine/config.yaml --runs elsewhere/runs"
    assert caught.value.hint == f"continue it with its own config: {typed}; or start another run with --new"


def finished(ledger):
    """A finished training of plain, so that plain is recommended."""
    (plain,) = ledgers.enter(ledger, [0.0], keys=["cifar_resnet8/-/-/-"])
    ledgers.train(ledger, plain, [90.0], role="baseline", origin="baseline 0")


def test_a_finished_run_says_that_the_files_of_its_data_are_others_now(tmp_path):
    project, place, ledger = begun(tmp_path)
    finished(ledger)
    experiment = Experiment.load(project / "mine.yaml")
    used = Settled(experiment.budget.trainings, "used", 1)
    done = Completion(experiment.budget.trainings, None)
    files = stamp(experiment.data, project)
    ledger.note(Facts(settled=used, complete=done, confirmations_ended=0, data=DataFact(stamp=files)))
    ledger.close()

    def said():
        heard = []
        watcher = Silent()
        watcher.say = heard.append
        run(experiment, runs=place.path.parent, watcher=watcher)
        return heard

    (before,) = said()
    assert "this run is finished" in before
    (project / "images" / "new.png").touch()
    _, changed = said()
    assert changed.startswith("the files of the data have other names, sizes or times than when this run read them")
    assert "--new" in changed
    (project / "images" / "new.png").unlink()
    (project / "images").rmdir()  # nothing to compare with
    assert len(said()) == 1


def test_a_run_of_an_earlier_version_knows_no_stamp(tmp_path):
    project, _, ledger = begun(tmp_path)
    ledger.note(Facts(data=DataFact(fingerprint="0123456789abcdef")))
    assert changed_files(Experiment.load(project / "mine.yaml"), ledger) == ""


LEFTOVERS = {
    "data.path": ({"data": {**CONFIG["data"], "path": "./images"}}, "digits has no path"),
    "latency.dtype": ({"latency": {"dtype": "bfloat16", "precision": "fp32"}}, "latency.precision says fp32"),
}


@pytest.mark.parametrize("key", LEFTOVERS)
def test_only_a_run_of_an_earlier_version_may_hold_what_changes_nothing(tmp_path, key):
    settings, why = LEFTOVERS[key]
    short = {"budget": {"trainings": 4}, "train": {"epochs": 1}}
    experiment = Experiment.from_dict({**CONFIG, **short, **settings, "name": "mine"}, base=tmp_path)
    with pytest.raises(UserError, match=why):
        run(experiment, runs=tmp_path / "runs")
    assert not (tmp_path / "runs" / "mine").exists()
    place = RunFolder(tmp_path / "runs" / "mine")
    place.create()
    with closing(Ledger(place.ledger)) as ledger:  # as an earlier version began it
        agreed_experiment(experiment, place, ledger, None, print)
        finished(ledger)
        assert kept(place, ledger) == experiment
    assert result("mine", runs=tmp_path / "runs").points
    said = []
    watcher = Silent()
    watcher.say = said.append
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    run(experiment, runs=tmp_path / "runs", watcher=watcher)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
    assert [line for line in said if key in line] == [
        f"{key} changes nothing: {experiment.leftovers[0].message}; a new run would be refused"
    ]
    with pytest.raises(UserError, match=why):
        run(experiment, runs=tmp_path / "runs", new=True)


def test_images_that_were_moved_are_asked_for(tmp_path):
    project, place, ledger = begun(tmp_path)
    finished(ledger)
    (project / "images").rmdir()
    usual = {"overrides": (), "pick": "a0", "start": "scratch", "seed": "0", "runs": place.path.parent}
    with pytest.raises(UserError, match=str(project / "images")) as caught:
        plan("mine", config_path=None, **usual)
    assert "--config FILE" in caught.value.hint
    (tmp_path / "now").mkdir()
    (project / "other.yaml").write_text("data: {path: ../now}\nmodel: {backbone: cifar_resnet8}\n")
    assert plan("mine", config_path=project / "other.yaml", **usual)[0].experiment.base == project


def test_a_project_that_was_moved_with_its_runs_finds_its_images(tmp_path):
    """And so does a run that was begun before runs remembered where."""
    project, place, ledger = begun(tmp_path)
    ledger.close()
    project.rename(tmp_path / "elsewhere" / "moved")
    (tmp_path / "elsewhere" / "images").symlink_to("moved/images")
    with closing(Ledger(place.ledger)) as ledger:
        assert kept(place, ledger).base == tmp_path / "elsewhere"


def test_a_network_of_the_users_own_is_found_by_whoever_reads_the_run(tmp_path, monkeypatch):
    """Also by `export`, which prepares nothing."""
    from senet_nas.network.build import sites

    monkeypatch.setattr(sys, "path", [*sys.path])
    project, place = tmp_path / "project", RunFolder(tmp_path / "runs" / "own")
    project.mkdir()
    (project / "net_beside_its_config.py").write_text(
        "from torch import nn\ndef small():\n    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten())\n"
    )
    model = "model: {backbone: 'net_beside_its_config:small', sites: ['0']}\n"
    (project / "own.yaml").write_text("data: digits\n" + model + "space: {position: [output]}\n")
    place.create()
    ledger = Ledger(place.ledger)
    agreed_experiment(Experiment.load(project / "own.yaml"), place, ledger, None, print)
    monkeypatch.chdir(tmp_path)
    assert [site.name for site in sites(kept(place, ledger).model.network)] == ["1.0"]


def following(place, ledger, **facts):
    ledger.note(Facts(**facts))
    return typed_next(place)


def typed_next(place):
    with open_folder(place) as run:
        return next_command(run.front, run)


def test_what_can_be_typed_next_is_named_with_the_folder_of_the_runs(tmp_path, monkeypatch):
    _, place, ledger = begun(tmp_path)
    finished(ledger)
    monkeypatch.chdir(tmp_path)
    runs = "--runs elsewhere/runs"
    then = following(place, ledger)
    assert then == f"senet-search run elsewhere/runs/mine/config.yaml {runs}  # continues where it stopped"
    assert f"MLflow: senet-search ui mine {runs}" in next_lines(result("mine", place.path.parent), place.path)
    budget = kept(place, ledger).budget
    assert following(place, ledger, complete=Completion(budget.trainings, budget.time)) == (
        f"senet-search run elsewhere/runs/mine/config.yaml --trainings +24 {runs}"
    )
    monkeypatch.chdir(place.path.parent.parent)
    assert following(place, ledger).endswith(" runs/mine/config.yaml --trainings +24")


@pytest.mark.parametrize(
    ("spent", "settled", "more", "options", "going"),
    [
        (10.0, Settled(64, "used", 1), 48, "--trainings +48", "continue with --trainings +N"),
        (600.0, Settled(64, "used", 1), 64, "--trainings +64 --set budget.time=10h50m", "continue with --trainings +N"),
        (3600.0, Settled(64, "time", 1), 24, "--set budget.time=25h00m", "budget.time=25h00m"),
        (1900.0, Settled(64, "time", 1), 64, "--trainings +64 --set budget.time=34h19m", "budget.time=13h12m"),
        (1000.0, Settled(64, "exhausted", 1), 24, None, "nothing is left that can be trained"),
        (1000.0, Settled(64, "answered", 1), None, None, "it has its answer; continue with --trainings +N, or --set"),
    ],
)
def test_what_continues_a_complete_run_follows_from_what_ended_it(tmp_path, spent, settled, more, options, going):
    """The limit is an hour, and one training has finished."""
    _, place, ledger = begun(tmp_path)
    finished(ledger)
    text = to_yaml(replace(kept(place, ledger), budget=BudgetSpec(time="1h")))
    place.config.write_text(text)
    p_not_worth = 0.5 if more else 0.99
    answer = AnswerFact(1, 0.2, p_not_worth, 8, more)
    ledger.note(Facts(config=text, complete=Completion(64, "1h"), settled=settled, answer=answer, seconds=spent))
    then = typed_next(place)
    expected = f"config.yaml {options} --runs" if options else "senet-search export"
    assert expected in then
    assert going in going_on(OpenedRun(place, ledger, kept(place, ledger)))


def test_an_extension_for_an_even_chance_is_suggested_where_a_likely_one_is_far(tmp_path):
    """384 trainings more than one are not what a person would type next."""
    _, place, ledger = begun(tmp_path)
    finished(ledger)
    answer = AnswerFact(1, 0.2, 0.5, 8, 384, more_even=48)
    ledger.note(Facts(complete=Completion(64), settled=Settled(64, "used", 1), answer=answer))
    assert "--trainings +48 --runs" in typed_next(place)
    few = AnswerFact(1, 0.2, 0.5, 8, 384, more_even=12)
    ledger.note(Facts(answer=few))
    assert "--trainings +12 --runs" in typed_next(place)  # the number that the answer names, not another one


@pytest.mark.parametrize(
    ("budget", "complete", "says"),
    [
        (64, False, "go on with `senet-search run "),
        (64, True, "--trainings +12"),
        (10, False, "takes a budget of 12 trainings"),
    ],
)
def test_without_weights_it_is_said_how_a_run_comes_to_some(tmp_path, budget, complete, says):
    _, place, ledger = begun(tmp_path)
    finished(ledger)
    experiment = kept(place, ledger)
    experiment = replace(experiment, budget=replace(experiment.budget, trainings=budget))
    if complete:
        ledger.note(Facts(complete=Completion(budget)))
    point = SimpleNamespace(id="a1", number=1, is_plain=False)
    with pytest.raises(UserError, match="only plain, and what the confirmation trained again") as caught:
        median_training(point, OpenedRun(place, ledger, experiment))
    assert says in caught.value.hint
    assert ("+12" in caught.value.hint) == (complete or budget < 12)


def test_weights_that_were_kept_and_are_gone_are_told_as_gone(tmp_path):
    """That none of them had finished was said, and twelve more trainings were suggested."""
    _, place, ledger = begun(tmp_path)
    (plain,) = ledgers.enter(ledger, [0.0], keys=["cifar_resnet8/-/-/-"])
    ledgers.play(ledger, [(plain, Seed(0, 0))], [replace(ledgers.ended(90.0), weights="0" * 64)])
    run = OpenedRun(place, ledger, kept(place, ledger))
    with pytest.raises(UserError, match="the weights of a0 are gone") as caught:
        median_training(SimpleNamespace(id="a0", number=0, is_plain=True), run)
    assert "senet-search doctor mine" in caught.value.hint
    assert "--trainings" not in caught.value.hint
    # Nor has a finished training of another placement "none that has finished" beside it.
    with pytest.raises(UserError, match="keep theirs; their files are gone") as caught:
        median_training(SimpleNamespace(id="a1", number=1, is_plain=False), run)
    assert "senet-search train mine --pick a1" in caught.value.hint


@pytest.mark.parametrize(
    ("experiment", "says", "hint"),
    [
        ("r.yaml", "not the str 'r.yaml'", "write run(Experiment.load('r.yaml'))"),
        (Path("r.yaml"), "not the PosixPath", "Experiment.load("),
        ({"data": "digits"}, "not the dict", "write run(Experiment.from_dict(...))"),
        (None, "not the NoneType None", "Experiment.load("),
    ],
)
def test_what_is_no_experiment_is_named(tmp_path, experiment, says, hint):
    """It was a bare AttributeError."""
    with pytest.raises(UserError, match="run\\(\\) takes an Experiment") as caught:
        run(experiment, runs=tmp_path)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_budget_that_is_no_text_is_named(tmp_path):
    experiment = Experiment.from_dict({"data": "digits", "model": {"backbone": "cifar_resnet8"}})
    with pytest.raises(UserError, match="trainings is a text") as caught:
        run(experiment, runs=tmp_path, trainings=8)
    assert caught.value.hint == "write trainings='8'"


def test_a_process_runs_one_search_at_a_time_and_says_so(tmp_path):
    """Ray said "Perhaps you called ray.init twice by accident?"."""
    experiment = Experiment.from_dict({"name": "x", "data": "digits", "model": {"backbone": "cifar_resnet8"}})
    refused = []

    class Meanwhile(Silent):
        def begin(self, name, where):
            with pytest.raises(UserError, match="runs a search already") as caught:
                run(experiment, runs=tmp_path / "other")
            refused.append(caught.value)
            raise KeyError(name)

    for _ in range(2):  # the first one leaves its place to the next
        with pytest.raises(KeyError):
            run(experiment, runs=tmp_path, watcher=Meanwhile())
    assert [(error.code, "process of its own" in error.hint) for error in refused] == [(ENVIRONMENT, True)] * 2
    assert not list(tmp_path.iterdir())


def test_a_path_that_sqlite_cannot_open_is_refused_before_anything_is_made(tmp_path):
    """Data were loaded first, and then it was said "check the disk and its permissions"."""
    experiment = Experiment.from_dict({"name": "x", "data": "digits", "model": {"backbone": "cifar_resnet8"}})
    runs = tmp_path
    while len(str(runs)) < 500:
        runs = runs / ("d" * 40)
    with pytest.raises(UserError, match="SQLite opens no file with more than 504") as caught:
        run(experiment, runs=runs)
    assert caught.value.code == ENVIRONMENT
    assert "permissions" not in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1])
def test_the_longest_path_of_a_ledger_is_as_long_as_is_said(tmp_path, length):
    folder = tmp_path
    while length - len(str(folder)) > 100:
        folder = folder / ("d" * 50)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("f" * (length - len(str(folder)) - 1))
    if length <= LONGEST:
        Ledger(path).close()
        return
    with pytest.raises(UserError, match=f"has {length} bytes") as caught:
        Ledger(path)
    assert caught.value.hint == "choose a folder whose path is 1 byte shorter"
