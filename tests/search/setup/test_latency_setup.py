"""Latency as an objective. Its cost is made up here (3 percent for each SE), so that no clock decides a test."""

import os
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from search import Experiment
from search.config import ConfigError
from search.report.chart import front_charts
from search.report.latency_tables import latency_sections
from search.results.compute import compute
from search.results.objectives import excess
from search.setup import latency_measurement, latency_setup
from search.setup.experiment_setup import prepare
from search.setup.opened_run import rules
from search.state.ledger import Ledger
from senet_nas.costs import runtimes, timed_pair
from senet_nas.costs.timing import Comparison
from senet_nas.deploy import runtime_table
from senet_nas.recipe import LatencySpec
from spaces import Architecture, UserError
from tests.search import timings

CONFIG = {
    "data": {"dataset": "digits", "train": 300},
    "model": {"backbone": "cifar_resnet8"},
    "objectives": [{"metric": "accuracy"}, {"metric": "latency", "limit": 7}],
    "latency": {"samples": 20, "seconds": 0.05},
    "evaluate": "train",
}


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as opened:
        yield opened


@pytest.fixture
def timed(monkeypatch):
    """The architectures that were timed, instead of timing them."""
    asked = []

    def compare(pair):
        architecture = Architecture.parse(pair.candidate)
        asked.append(architecture)
        ratio = 1 + 0.03 * sum(se is not None for se in architecture.blocks)
        return Comparison(ratio, ratio - 0.005, ratio + 0.005, 10 * ratio, 10.0, 40, 0.1)

    monkeypatch.setattr(timed_pair, "compared", compare)
    return asked


@pytest.fixture(scope="module")
def prepared():
    return prepare(Experiment.from_dict(CONFIG))


def test_every_architecture_has_a_price_before_it_is_trained(prepared, ledger, timed):
    said = []
    priced = latency_setup.predicted(prepared, ledger, said.append)
    assert len(timed) == 20
    for architecture in priced.space:
        blocks = sum(se is not None for se in architecture.blocks)
        assert priced.price(architecture)["latency_overhead"] == pytest.approx(3 * blocks, abs=0.3)
        assert priced.price(architecture)["params"] == prepared.price(architecture)["params"]
        assert (excess(prepared.experiment.objectives, priced.price(architecture)) <= 0) == (blocks <= 2)
    assert any("rank correlation" in line for line in said)


def test_a_resumed_run_prices_as_the_first_session_did(prepared, ledger, timed):
    first = latency_setup.predicted(prepared, ledger, print)
    again = latency_setup.predicted(prepared, ledger, print)
    assert len(timed) == 20  # once
    assert all(first.price(a) == again.price(a) for a in prepared.space)
    assert ledger.facts.latency_model.measured_on["name"]


def test_on_a_gpu_another_process_measures(monkeypatch):
    """A context of CUDA stays as long as its process."""
    spec = LatencySpec()
    with timed_pair.process_for(spec) as ask:
        assert ask(_process, None) == _process(None)
    monkeypatch.setattr(runtimes, "device_of", lambda spec: torch.device("cuda"))
    with timed_pair.process_for(spec) as ask:
        process = ask(_process, None)
    assert process != _process(None)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def _process(_):
    return os.getpid()


def test_real_networks_are_timed_on_what_the_config_says(prepared):
    member = next(a for a in prepared.space if not a.is_plain)
    found = timed_pair.compared(latency_setup.pair(prepared, prepared.experiment.latency, member))
    assert found.plain_ms > 0
    assert found.low <= found.ratio <= found.high


def test_without_the_objective_nothing_is_timed(ledger, timed):
    other = prepare(Experiment.from_dict({**CONFIG, "objectives": [{"metric": "accuracy"}, {"metric": "params"}]}))
    assert latency_setup.predicted(other, ledger, print) is other
    assert not timed


def test_a_table_has_no_networks_to_time(prepared, ledger, timed):
    with pytest.raises(UserError, match="table"):
        latency_setup.predicted(replace(prepared, data=None), ledger, print)


def test_what_cannot_be_trusted_is_said(prepared, ledger, monkeypatch):
    wild = iter(range(0, 10_000, 37))
    wrong = lambda *_: Comparison(1 + (next(wild) % 100) / 100, 1, 2, 20, 10, 40, 0.1)  # noqa: E731
    monkeypatch.setattr(timed_pair, "compared", wrong)
    said = []
    latency_setup.predicted(prepared, ledger, said.append)
    assert any("not predicted within 2 %" in line for line in said)


@pytest.mark.parametrize(
    ("device", "latency", "is_caution"),
    [
        ("cuda", {}, True),
        ("cuda", {"runtime": "cudagraph"}, False),
        ("cuda", {"batch": 64}, False),
        ("cpu", {}, False),
    ],
)
def test_a_latency_of_launches_is_a_caution(device, latency, is_caution, monkeypatch):
    monkeypatch.setattr(runtimes, "device_of", lambda spec: torch.device(device))
    experiment = Experiment.from_dict({**CONFIG, "latency": latency})
    assert bool(latency_setup.launches(experiment)) == is_caution
    other = {**CONFIG, "objectives": [{"metric": "accuracy"}, {"metric": "macs"}]}
    assert latency_setup.launches(Experiment.from_dict(other)) == ""


TWO = {
    **CONFIG,
    "objectives": [
        {"metric": "accuracy"},
        {"metric": "latency", "limit": 7},
        {"metric": "latency_openvino_int8_b4", "limit": 16},
    ],
}


@pytest.fixture
def timed_by_runtime(monkeypatch):
    """SE costs 3 percent in eager and 6 in OpenVINO; OpenVINO refuses a placement in all three units."""
    asked = []

    def compare(pair):
        asked.append(pair.spec)
        blocks = sum(se is not None for se in Architecture.parse(pair.candidate).blocks)
        if pair.spec.runtime == "openvino" and blocks == 3:
            return "refused by openvino (int8): no"
        ratio = 1 + (0.06 if pair.spec.runtime == "openvino" else 0.03) * blocks
        return Comparison(ratio, ratio - 0.005, ratio + 0.005, 10 * ratio, 10.0, 40, 0.1)

    monkeypatch.setattr(timed_pair, "compared", compare)
    return asked


def test_two_latencies_have_models_columns_limits_and_fronts_of_their_own(ledger, timed_by_runtime):
    two = prepare(Experiment.from_dict(TWO))
    said = []
    priced = latency_setup.predicted(two, ledger, said.append)
    specs = {(spec.runtime, spec.number_format, spec.batch) for spec in timed_by_runtime}
    assert specs == {("eager", "fp32", 1), ("openvino", "int8", 4)}
    assert any("of 20 architectures are refused, for example cifar_resnet8/" in line for line in said)
    for architecture in priced.space:
        blocks = sum(se is not None for se in architecture.blocks)
        price = priced.price(architecture)
        assert price["latency_overhead"] == pytest.approx(3 * blocks, abs=0.3)
        assert price["latency_openvino_int8_b4_overhead"] == pytest.approx(6 * blocks, abs=0.8)
        assert (excess(two.experiment.objectives, price) <= 0) == (blocks <= 2)
    timings.trained(ledger, priced, [90, 95, 96, 97])
    decides = rules(two.experiment)
    latency_measurement.measured(priced, ledger, print)
    front = compute("run", ledger, decides)
    best = front["a2"]
    assert best.latency_openvino_int8_b4_ms == pytest.approx(11.2)
    assert best.latency_openvino_int8_b4_low == pytest.approx(11.5)
    assert best.latency_overhead == pytest.approx(6)
    head = front.to_csv().splitlines()[0].split(",")
    assert head[-5:] == [
        "latency_ms",
        "latency_overhead",
        "latency_openvino_int8_b4_ms",
        "latency_openvino_int8_b4_overhead",
        "verdict",
    ]
    titles = ";".join(chart.cost_title for chart in front_charts(front))
    assert "latency" in titles.split(";")
    assert "latency, openvino int8 batch 4" in titles.split(";")
    titles = [section.title for section in latency_sections(front, ledger.facts.timed)]
    assert titles == ["Latency", "Latency, openvino int8 batch 4"]


def test_what_a_runtime_refuses_is_a_result_and_never_recommended(ledger, timed_by_runtime):
    wide = [dict(objective, limit=None) for objective in TWO["objectives"]]
    two = prepare(Experiment.from_dict({**TWO, "objectives": wide}))
    priced = latency_setup.predicted(two, ledger, print)
    timings.trained(ledger, priced, [90, 91, 92, 99])
    decides = rules(two.experiment)
    said = []
    latency_measurement.measured(priced, ledger, said.append)
    assert any("a3: refused by openvino (int8): no" in line for line in said)
    front = compute("run", ledger, decides)
    assert not front["a3"].allowed
    assert "a3" not in {point.id for point in front.members}
    rows = latency_sections(front, ledger.facts.timed)[1].table.rows
    assert any("refused by openvino (int8): no" in row.cells for row in rows)


def test_a_runtime_that_refuses_everything_is_an_error_before_the_search(ledger, monkeypatch):
    monkeypatch.setattr(timed_pair, "compared", lambda pair: "refused by openvino (int8): no")
    with pytest.raises(UserError, match="latency cannot be timed: the network is refused by openvino"):
        latency_setup.predicted(prepare(Experiment.from_dict(TWO)), ledger, print)


def test_a_missing_runtime_is_named_with_its_extra_before_anything_is_timed(ledger, monkeypatch, timed_by_runtime):
    monkeypatch.setattr(runtime_table.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="openvino needs openvino, nncf, not installed here") as error:
        latency_setup.predicted(prepare(Experiment.from_dict(TWO)), ledger, print)
    assert "senet-search[openvino]" in str(error.value)
    assert not timed_by_runtime


def test_all_runtimes_that_are_missing_are_named_at_their_objectives(monkeypatch):
    monkeypatch.setattr(runtime_table.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    objectives = ["accuracy", "latency_openvino", "latency_onnxruntime", "latency_cudagraph", "latency_eager_b4"]
    experiment = Experiment.from_dict({**CONFIG, "objectives": objectives})
    with pytest.raises(ConfigError) as error:
        latency_setup.check(experiment)
    assert [problem.key for problem in error.value.problems] == [f"objectives.{i}.metric" for i in (1, 2, 3)]
    for words in ("senet-search[openvino]", "senet-search[onnx]", "cudagraph needs a GPU"):
        assert words in str(error.value)


def test_the_time_to_model_latencies_is_that_of_opening_forms_where_these_take_longest(monkeypatch):
    ticks = iter([0, 4, 10, 10.5])
    monkeypatch.setattr(timed_pair, "compared", lambda pair: Comparison(1, 1, 1, 10, 10, 3, 0.0))
    monkeypatch.setattr(timed_pair, "warmed_up", lambda spec: None)
    objectives = ["accuracy", "latency_openvino_int8", "latency"]
    found = prepare(
        Experiment.from_dict({**CONFIG, "objectives": objectives, "latency": {"samples": 20, "seconds": 2}})
    )
    assert latency_setup.modelling_seconds(found, lambda: next(ticks)) == 20 * 4 + 20 * 2


@pytest.mark.parametrize(
    ("names", "is_double"),
    [
        (("latency_openvino_int8", "latency_openvino_int8_b1"), True),
        (("latency", "latency_eager"), True),
        (("latency_eager", "latency_eager_fp32_t1"), True),
        (("latency_eager", "latency_eager_b2", "latency_eager_t2", "latency_onnxruntime"), False),
    ],
)
def test_two_names_of_one_latency_are_a_caution(names, is_double):
    experiment = Experiment.from_dict({**CONFIG, "objectives": ["accuracy", *names]})
    assert latency_setup.doubles(experiment) == (
        f"{names[1]} is timed in the same way as {names[0]}; keep one of them" if is_double else ""
    )
