"""What INT8 costs plain and the reported placements in accuracy, noted once and shown beside their latency."""

from contextlib import closing

import pytest

from search import Experiment
from search.report.latency_tables import latency_sections
from search.results.compute import compute
from search.running import int8_drops
from search.setup import latency_setup
from search.setup.experiment_setup import prepare
from search.setup.opened_run import rules
from search.state import result_files
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.costs import int8_drop, timed_pair
from senet_nas.costs.timing import Comparison
from spaces import Architecture
from tests.search import ledgers

NAME = "latency_onnxruntime_int8"
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
CONFIG = {
    "data": {"dataset": "digits", "train": 300},
    "model": {"backbone": "cifar_resnet8"},
    "objectives": [{"metric": "accuracy"}, {"metric": NAME}],
    "latency": {"samples": 8, "seconds": 0.05},
    "train": {"epochs": 1, "batch_size": 64},
}


@pytest.fixture(scope="module")
def search():
    return prepare(Experiment.from_dict(CONFIG))


@pytest.fixture
def run(search, tmp_path, monkeypatch):
    """A prepared search whose ledger holds plain and one placement; timing is made up."""
    monkeypatch.setattr(timed_pair, "compared", lambda pair: Comparison(1.05, 1.04, 1.06, 10.5, 10.0, 8, 0.1))
    place = RunFolder(tmp_path / "run")
    place.create()
    with closing(Ledger(place.ledger)) as ledger:
        prepared = latency_setup.predicted(search, ledger, print)
        for key, accuracy in (("cifar_resnet8/-/-/-", 90.0), (SE, 95.0)):
            (entry,) = ledgers.enter(ledger, [0.0], keys=[key], **prepared.price(Architecture.parse(key)))
            ledgers.train(ledger, entry, [accuracy, accuracy + 0.1, accuracy + 0.2])
        yield prepared, ledger, place


def front_of(prepared, ledger):
    return compute("run", ledger, rules(prepared.experiment))


def test_they_are_measured_once_on_the_median_training_and_shown_beside_the_latency(run, monkeypatch):
    prepared, ledger, place = run
    asked = []

    def of_training(architecture, seed, weights, task, runtime):
        asked.append((architecture, weights.parent.name, runtime))
        return {"drop": 0.4, "low": 0.1, "high": 0.7, "images": 1000, "agreement": 99.0}

    monkeypatch.setattr(int8_drop, "of_training", of_training)
    for training in ledger.trainings:
        weights = result_files.weights(place.trainings, training)
        weights.parent.mkdir(parents=True)
        weights.touch()
    said = []
    for _ in range(2):
        int8_drops.measured(prepared, ledger, front_of(prepared, ledger), place, said.append)
    front = front_of(prepared, ledger)
    expected = dict.fromkeys(["a0", front.recommended, *([front.likely] if front.likely else ())])
    assert [architecture for architecture, _, _ in asked] == [front[name].architecture for name in expected]
    assert all(runtime == "onnxruntime" for _, _, runtime in asked)
    median = [t.uid for t in ledger.trainings if t.architecture == 0][1]
    assert asked[0][1] == median
    assert said[0] == f"{NAME}: a0 loses +0.40 points of accuracy [+0.10, +0.70] in INT8, on 1,000 validation images"
    (section,) = latency_sections(front, ledger.facts.timed)
    assert section.table.columns[-1].title == "loses, points [95 %]"
    assert any("+0.4" in str(row.cells[-1]) for row in section.table.rows)


def test_a_placement_without_weights_is_left_out(run, monkeypatch):
    prepared, ledger, place = run
    monkeypatch.setattr(int8_drop, "of_training", lambda *_: pytest.fail("there are no weights"))
    int8_drops.measured(prepared, ledger, front_of(prepared, ledger), place, print)
    assert ledger.facts.timed[NAME].drops == {}
    (section,) = latency_sections(front_of(prepared, ledger), ledger.facts.timed)
    assert len(section.table.columns) == 5
