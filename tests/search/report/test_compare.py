import json
import shutil
from dataclasses import replace

import pytest

from search import config
from search.report import picture
from search.report.compare import compare_runs
from search.results.objectives import Objective
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces import UserError
from tests.search import ledgers


def make_run(runs, name, *, gains=(0.0, 0.5), fingerprint="f", epochs=3):
    """A finished run, made by hand: plain and others, eight trainings each."""
    place = RunFolder(runs / name)
    place.path.mkdir(parents=True)
    experiment = config.Experiment.from_dict(
        {"name": name, "data": "digits", "model": {"backbone": "cifar_resnet8"}, "train": {"epochs": epochs}}
    )
    place.config.write_text(config.to_yaml(experiment))
    ledger = Ledger(place.ledger)
    for entry, gain in zip(ledgers.enter(ledger, range(len(gains))), gains, strict=True):
        ledgers.train(ledger, entry, [90 + gain + replicate / 100 for replicate in range(8)])
    ledger.note(Facts(data=DataFact(fingerprint=fingerprint)))
    ledger.close()


@pytest.fixture
def runs(tmp_path):
    make_run(tmp_path / "runs", "one")
    make_run(tmp_path / "runs", "two", gains=(0.0, 0.1, 0.9))
    return tmp_path / "runs"


def test_fronts_stand_side_by_side(runs, tmp_path):
    found = compare_runs(["one", "two"], runs, tmp_path / "both.png")
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert found.cautions == ()
    told = json.loads(json.dumps(found.to_dict()))
    assert [run["run"] for run in told["runs"]] == ["one", "two"]
    assert all(run["recommended"] == "a0" and run["backbone"] == "cifar_resnet8" for run in told["runs"])
    assert len(found.lines()) == 4


def test_what_cannot_be_compared_is_said(runs, tmp_path):
    make_run(runs, "three", fingerprint="g", epochs=9)
    cautions = compare_runs(["one", "three"], runs, tmp_path / "both.png").cautions
    assert len(cautions) == 2
    assert "gains, not accuracies" in cautions[0]


def test_every_front_is_drawn_with_its_name(runs, tmp_path):
    shutil.copytree(runs / "one", runs / "four")
    sides = compare_runs(["one", "two", "four"], runs, tmp_path / "all.png").runs
    made = picture.fronts_figure([side.front for side in sides])
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["one", "two", "four", "recommended"]


def test_the_axis_is_an_overhead_that_all_runs_know(runs, tmp_path):
    one, two = (side.front for side in compare_runs(["one", "two"], runs, tmp_path / "both.png").runs)
    timed = replace(
        one,
        rules=replace(one.rules, objectives=(Objective("accuracy"), Objective("latency"))),
        points=tuple(replace(point, costs={**point.costs, "latency_overhead": 1.0}) for point in one.points),
    )
    said = [picture.fronts_figure(fronts).axes[0].get_xlabel() for fronts in ((timed, timed), (timed, two))]
    assert said == ["latency over plain, percent", "parameters over plain, percent"]


@pytest.mark.parametrize(
    ("names", "part"),
    [(["one"], "two different runs"), (["one", "one"], "one is named twice"), (["one", "tow"], "tow")],
)
def test_too_few_or_unknown_runs_are_told(runs, tmp_path, names, part):
    with pytest.raises(UserError, match=part):
        compare_runs(names, runs, tmp_path / "both.png")


def test_a_run_without_a_result_is_named(runs, tmp_path):
    make_run(runs, "early", gains=())
    with pytest.raises(UserError, match="^early: "):
        compare_runs(["one", "early"], runs, tmp_path / "both.png")


@pytest.mark.parametrize("where", ["nowhere/x.png", "folder", "/proc/x.png"])
def test_a_place_that_takes_no_picture_is_told_and_how_to_name_another(runs, tmp_path, where):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as caught:
        compare_runs(["one", "two"], runs, tmp_path / where)
    assert str(tmp_path / where).rpartition("/")[0] in caught.value.message
    assert "--to FILE" in caught.value.hint
