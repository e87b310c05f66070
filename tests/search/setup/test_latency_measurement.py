"""The latencies that are measured: before a confirmation, and at the end. Their costs are made up: no clock decides."""

from contextlib import closing
from dataclasses import replace

import pytest

from search import Experiment
from search.report.latency_tables import latency_sections
from search.results.compute import compute
from search.setup import latency_measurement, latency_setup
from search.setup.experiment_setup import prepare
from search.setup.opened_run import rules
from search.state.facts import Facts
from search.state.ledger import Ledger
from senet_nas.costs import runtimes, timed_pair
from senet_nas.costs.timing import Comparison
from senet_nas.recipe import LatencySpec
from spaces import Architecture
from tests.search import timings

CONFIG = {
    "data": {"dataset": "digits", "train": 300},
    "model": {"backbone": "cifar_resnet8"},
    "objectives": [{"metric": "accuracy"}, {"metric": "latency", "limit": 7}],
    "latency": {"samples": 20, "seconds": 0.05},
    "evaluate": "train",
}
ADDITIVE = (0.0, 3.0, 6.0, 9.0)  # percent for each number of SE


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as opened:
        yield opened


@pytest.fixture(scope="module")
def prepared():
    return prepare(Experiment.from_dict(CONFIG))


class Clock:
    """Times a pair by its number of SE. ``asked`` are the architectures, ``costs`` the truth."""

    def __init__(self):
        self.asked = []
        self.costs = ADDITIVE

    def __call__(self, pair):
        self.asked.append(pair.candidate)
        cost = self.costs[_units(pair.candidate)]
        if cost is None:
            return "refused by eager (fp32): no"
        ratio = 1 + cost / 100
        return Comparison(ratio, ratio - 0.005, ratio + 0.005, 10 * ratio, 10.0, 40, 0.1)


def _units(key):
    return sum(se is not None for se in Architecture.parse(key).blocks)


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(timed_pair, "compared", found)
    return found


def searched(prepared, ledger, accuracies, clock):
    """A search whose model predicts 3 percent for each SE, with the figures of plain and of 1, 2, ... SE."""
    priced = latency_setup.predicted(prepared, ledger, print)
    timings.trained(ledger, priced, accuracies)
    clock.asked.clear()
    return priced


def names(ledger, clock):
    return [ledger.find(key).name for key in clock.asked]


def result(prepared, ledger):
    return compute("run", ledger, rules(prepared.experiment))


def test_what_is_reported_is_measured_once(prepared, ledger, clock):
    priced = searched(prepared, ledger, [90, 95, 91], clock)
    before = result(prepared, ledger)
    assert [p.latency_low for p in before.points] == [None] * 3
    assert {p.id for p in before.members} == {"a0", "a1"}
    for _ in range(2):
        latency_measurement.measured(priced, ledger, print)
    assert names(ledger, clock) == ["a1"]
    found = result(prepared, ledger)["a1"]
    assert (found.latency_ms, found.latency_overhead) == (pytest.approx(10.3), pytest.approx(3))
    assert (found.latency_low, found.latency_high) == (pytest.approx(2.5), pytest.approx(3.5))


def test_what_breaks_its_limit_once_measured_makes_room_for_others_which_are_measured_too(prepared, ledger, clock):
    priced = searched(prepared, ledger, [90, 94, 95], clock)
    clock.costs = (0.0, 3.0, 8.0)
    assert [p.id for p in result(prepared, ledger).members] == ["a0", "a1", "a2"]
    latency_measurement.measured(priced, ledger, print)
    assert sorted(names(ledger, clock)) == ["a1", "a2"]
    clock.costs = (0.0, 7.5, 8.0)
    ledger.note(Facts(latency={}))
    clock.asked.clear()
    latency_measurement.measured(priced, ledger, print)
    assert [p.id for p in result(prepared, ledger).members] == ["a0"]


def test_of_a_wrong_model_what_it_only_excludes_is_measured_and_may_be_on_the_front(prepared, ledger, clock):
    """Three SE are predicted at 9 %, over the limit of 7 %. They take 5 %."""
    priced = searched(prepared, ledger, [90, 91, 92, 95], clock)
    _distrust(ledger)
    clock.costs = (0.0, 3.0, 6.0, 5.0)
    assert not result(prepared, ledger)["a3"].allowed
    latency_measurement.measured(priced, ledger, print)
    assert "a3" in names(ledger, clock)
    front = result(prepared, ledger)
    (section,) = latency_sections(front, ledger.facts.timed)
    assert "do not compare placements: costs may not add up" in section.footnotes[0]
    assert front["a3"].allowed
    assert [p.id for p in front.members] == ["a0", "a1", "a3"]


def test_so_many_are_measured_and_the_rest_is_said(prepared, ledger, clock, monkeypatch):
    monkeypatch.setattr(latency_measurement, "MOST", 1)
    said = []
    priced = searched(prepared, ledger, [90, 91, 92], clock)
    latency_measurement.measured(priced, ledger, said.append)
    assert len(clock.asked) == 1
    assert (
        said[-1] == "1 more placement keeps its predicted latency, although the result may rest on it; 1 was measured"
    )


def test_what_was_measured_before_takes_no_place_from_the_others(prepared, ledger, clock, monkeypatch):
    priced = searched(prepared, ledger, [90, 91, 92], clock)
    latency_measurement.measured_before_confirmation(priced, ledger, 2, ["latency"], print)
    monkeypatch.setattr(latency_measurement, "MOST", 1)
    said = []
    latency_measurement.measured(priced, ledger, said.append)
    assert names(ledger, clock) == ["a2", "a1"]
    assert said == ["latency: timing a1, alone beside plain"]


def test_milliseconds_compare_with_those_of_plain_however_busy_the_machine_was(prepared, ledger, clock, monkeypatch):
    priced = searched(prepared, ledger, [90, 95], clock)
    monkeypatch.setattr(timed_pair, "compared", lambda pair: replace(clock(pair), candidate_ms=20.6, plain_ms=20.0))
    latency_measurement.measured(priced, ledger, print)
    plain, placement = result(prepared, ledger).points
    assert placement.latency_ms / plain.latency_ms == pytest.approx(1.03)


def test_an_interrupted_measurement_continues_with_what_is_missing(prepared, ledger, clock, monkeypatch):
    priced = searched(prepared, ledger, [90, 91, 92], clock)

    def killed(pair):
        if clock.asked:
            raise KeyboardInterrupt
        return clock(pair)

    monkeypatch.setattr(timed_pair, "compared", killed)
    with pytest.raises(KeyboardInterrupt):
        latency_measurement.measured(priced, ledger, print)
    monkeypatch.setattr(timed_pair, "compared", clock)
    latency_measurement.measured(priced, ledger, print)
    assert sorted(names(ledger, clock)) == ["a1", "a2"]


def test_figures_of_another_machine_are_measured_again(prepared, ledger, clock, monkeypatch):
    priced = searched(prepared, ledger, [90, 95, 91], clock)
    latency_measurement.measured(priced, ledger, print)
    clock.asked.clear()
    other = {**runtimes.fingerprint(LatencySpec()), "device": "cuda", "name": "Tesla T4"}
    monkeypatch.setattr(runtimes, "fingerprint", lambda spec: other)
    said = []
    latency_measurement.measured(priced, ledger, said.append)
    assert names(ledger, clock) == ["a1"]
    assert "and this is Tesla T4 (cuda): all of it is measured again" in said[0]
    assert ledger.facts.latency_on["name"] == "Tesla T4"
    latency_measurement.measured(priced, ledger, said.append)
    assert len(clock.asked) == 1


def test_what_another_machine_refused_is_forgotten_with_its_figures(prepared, ledger, clock, monkeypatch):
    priced = searched(prepared, ledger, [90, 94, 95], clock)
    clock.costs = (0.0, 3.0, None)
    latency_measurement.measured(priced, ledger, print)
    assert set(ledger.facts.latency_refused) == {"a2"}
    other = {**runtimes.fingerprint(LatencySpec()), "name": "another processor"}
    monkeypatch.setattr(runtimes, "fingerprint", lambda spec: other)
    clock.costs = ADDITIVE
    latency_measurement.measured(priced, ledger, print)
    assert not ledger.facts.timed["latency"].refused
    assert set(ledger.facts.latency) == {"a1", "a2"}


def test_a_limit_that_is_broken_when_measured_is_broken(prepared, ledger, clock):
    searched(prepared, ledger, [90, 95], clock)
    ledger.note(Facts(latency={"a1": timings.figures(10.0)}))
    assert not result(prepared, ledger)["a1"].allowed


def test_before_a_confirmation_the_figure_stands_beside_prediction_and_limit(prepared, ledger, clock):
    priced = searched(prepared, ledger, [90, 91, 92], clock)
    clock.costs = (0.0, 3.0, 8.04)
    said = []
    latency_measurement.measured_before_confirmation(priced, ledger, 2, ["latency"], said.append)
    assert names(ledger, clock) == ["a2"]
    assert said[0] == "latency: timing a2, alone beside plain"
    assert said[1].startswith("latency: a2 takes +8.0 % [+7.5, +8.5] over plain; +")
    assert said[1].endswith(" % was predicted, and the limit is 7 %")
    assert not result(prepared, ledger)["a2"].allowed


def test_a_limit_inside_the_measured_interval_is_named(prepared, ledger, clock):
    priced = searched(prepared, ledger, [90, 91, 92], clock)
    clock.costs = (0.0, 3.0, 6.8)
    said = []
    latency_measurement.measured_before_confirmation(priced, ledger, 2, ["latency"], said.append)
    assert said[1].endswith("the limit is 7 %, which is in this interval: more latency.seconds narrow it")
    assert result(prepared, ledger)["a2"].allowed


def test_before_a_confirmation_a_refusal_is_a_result(prepared, ledger, clock):
    priced = searched(prepared, ledger, [90, 91, 92], clock)
    clock.costs = (0.0, 3.0, None)
    said = []
    latency_measurement.measured_before_confirmation(priced, ledger, 2, ["latency"], said.append)
    assert said == ["latency: timing a2, alone beside plain", "a2: refused by eager (fp32): no"]
    assert not result(prepared, ledger)["a2"].allowed


def _distrust(ledger):
    """Makes the model of the ledger one that is wrong by 4 points on average."""
    fact = ledger.facts.latency_model
    ledger.note(Facts(latency_model=type(fact)(**{**vars(fact), "error": 4.0})))
