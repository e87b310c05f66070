"""Names of further latencies say how they are timed."""

import pytest

from senet_nas.costs import measures
from senet_nas.costs.latency_names import is_further, problem, spec_of
from senet_nas.deploy.runtime_table import pairs
from senet_nas.recipe import LatencySpec

SECTION = LatencySpec(batch=2, threads=3, seconds=1.5, precision="bf16", device="cuda")


@pytest.mark.parametrize(("runtime", "precision"), list(pairs(installed=False)))
def test_every_runtime_and_precision_has_a_measure(runtime, precision):
    name = f"latency_{runtime}_{precision}"
    row = measures.find(name)
    assert (row.column, row.overhead) == (f"{name}_ms", f"{name}_overhead")
    assert row.interval == (f"{name}_low", f"{name}_high")
    assert not row.is_counted
    assert measures.of_overhead(row.overhead) == row
    spec = spec_of(name, SECTION)
    assert (spec.runtime, spec.number_format) == (runtime, precision)
    assert (spec.batch, spec.threads, spec.seconds) == (2, 3, 1.5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("latency", {"runtime": "eager", "number_format": "bf16", "batch": 2, "threads": 3, "device": "cuda"}),
        ("latency_openvino", {"runtime": "openvino", "number_format": "bf16", "device": "cpu"}),
        ("latency_onnxruntime_t4", {"number_format": "fp32", "threads": 4, "batch": 2, "device": "cpu"}),
        ("latency_cudagraph_bf16_b64", {"batch": 64, "device": "cuda"}),
        ("latency_eager_fp32_b8_t1", {"batch": 8, "threads": 1, "device": "cuda"}),
    ],
)
def test_what_a_name_leaves_out_is_that_of_the_section(name, expected):
    spec = spec_of(name, SECTION)
    assert {key: getattr(spec, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("latency_opnevino", "runtimes: eager, compile"),
        ("latency_eager_int8", "eager does not compute in int8 here; it knows fp32, bf16, fp16"),
        ("latency_openvino_int8_b0", "is not a latency"),
        ("latency", ""),
        ("val_latency", ""),
        ("latency_openvino_int8", ""),
    ],
)
def test_a_wrong_name_is_explained(name, word):
    assert word in problem(name)
    assert bool(problem(name)) == bool(word)
    if word:
        assert not is_further(name)
        assert measures.find(name) is None


def test_columns_that_only_look_like_a_latency_are_no_cost():
    columns = ["params_overhead", "latency_phone_overhead", "latency_openvino_int8_overhead", "gain"]
    assert [measure.name for measure in measures.known(columns)] == ["params", "latency_openvino_int8"]
