"""Every form of a network beside that of plain, on networks so small that nothing takes long."""

import math

import pytest
import torch
from torch import nn

from senet_nas.costs import deployed_forms, energy
from senet_nas.costs.deployed_forms import FormResult, LabelledImages, Subject, forms, measured
from senet_nas.costs.energy import Meter
from senet_nas.deploy import runtime_table
from senet_nas.deploy.runtime_table import pairs
from senet_nas.recipe import LatencySpec
from spaces import UserError

SHAPE = (1, 6, 6)
SPEC = LatencySpec(device="cpu", seconds=0.01)


class Scaled(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


def network(*more):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), *more, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


SUBJECT = Subject(lambda: network(Scaled()).eval(), lambda: network().eval(), SHAPE, has_weights=True)


def images(n=300):
    x = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        y_N = network(Scaled()).eval()(x).argmax(1).tolist()
    y_N = torch.tensor(y_N)
    y_N[: n // 10] = (y_N[: n // 10] + 1) % 3  # so the network is right on nine of ten
    return LabelledImages(x, y_N, lambda part: part, x[:32], "made-up images")


def test_all_installed_forms_of_a_cpu_are_measured_in_the_order_of_the_table():
    names = ["eager", "onnxruntime"]
    chosen = forms(names)
    assert chosen == [(name, precision) for name, precision in pairs() if name in names]
    found = list(measured(SUBJECT, chosen, SPEC, images()))
    assert [(form.runtime, form.precision) for form in found] == chosen
    by_name = {form.name: form for form in found}
    for form in found:
        assert not form.refused
        assert form.time.low <= form.time.ratio <= form.time.high
        assert form.size > form.plain_size * 0.5
        assert form.images.n == form.plain_images.n == 300
        assert form.images.right == 270
    exact = by_name["eager fp32"]
    assert (exact.images.drop, exact.images.agreement) == (0, 100)
    assert exact.images.accuracy == pytest.approx(90)
    assert by_name["onnxruntime int8"].images.agreement >= 90
    assert by_name["onnxruntime fp32"].images.agreement >= 99
    assert all(form.to_dict()["images"]["drop"] == form.images.drop for form in found)


def test_plain_beside_itself_is_made_and_measured_once():
    built = {True: 0, False: 0}

    def counted(is_same):
        def build():
            built[is_same] += 1
            return network().eval()

        return build

    one = counted(True)
    subjects = Subject(one, one, SHAPE, has_weights=True), Subject(counted(False), counted(False), SHAPE, True)
    spec = LatencySpec(device="cpu", seconds=0.001)
    (alone,), (pair,) = (measured(subject, [("eager", "fp32")], spec, images()) for subject in subjects)
    assert built[False] == 2 * built[True] > 0
    assert alone.time.n == pair.time.n
    assert alone.size == alone.plain_size == pair.size
    assert alone.images == alone.plain_images == pair.images


def test_without_trained_weights_there_is_time_and_no_accuracy():
    subject = Subject(SUBJECT.candidate, SUBJECT.plain, SHAPE)
    (found,) = measured(subject, [("eager", "fp32")], SPEC, images())
    assert found.time is not None
    assert found.images is None
    assert "images" not in found.to_dict()


def test_energy_is_measured_if_it_is_asked_for(monkeypatch):
    joules = iter(range(1_000_000))
    monkeypatch.setattr(energy, "BURST_SECONDS", 0.001)
    monkeypatch.setattr(energy, "meter_of", lambda device: Meter("RAPL", lambda: [float(next(joules))], [math.inf]))
    subject = Subject(SUBJECT.candidate, SUBJECT.plain, SHAPE)
    (found,) = measured(subject, [("eager", "fp32")], SPEC, None, has_energy=True)
    assert found.energy.low <= found.energy.ratio <= found.energy.high
    assert found.to_dict()["energy"]["candidate_j"] == found.energy.candidate_j > 0
    monkeypatch.setattr(energy, "meter_of", lambda device: f"nothing counts on {device}")
    (found,) = measured(subject, [("eager", "fp32")], SPEC, None, has_energy=True)
    assert found.energy == "nothing counts on cpu"


def test_what_a_runtime_refuses_is_a_line_and_the_others_go_on():
    class Odd(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    subject = Subject(lambda: network(Odd()).eval(), SUBJECT.plain, SHAPE, has_weights=True)
    refused, exact = measured(subject, [("onnxruntime", "fp32"), ("eager", "fp32")], SPEC, images())
    assert refused.time is None
    assert refused.refused.startswith("refused by onnxruntime (fp32): ")
    assert set(refused.to_dict()) == {"runtime", "precision", "refused"}
    assert exact.images.agreement == 100


def test_a_runtime_that_does_not_work_here_is_a_line_too(monkeypatch):
    def broken(*_):
        raise UserError("no compiler")

    monkeypatch.setattr(deployed_forms, "deploy", broken)
    monkeypatch.setattr("senet_nas.costs.runtimes.deploy", broken)
    subject = Subject(SUBJECT.candidate, SUBJECT.plain, SHAPE)
    (found,) = measured(subject, [("compile", "fp32")], SPEC, None)
    assert found == FormResult("compile", "fp32", refused="not here: no compiler")


def test_a_runtime_that_is_asked_for_and_runs_elsewhere_is_a_line_too():
    """`--runtime cudagraph` without a GPU printed a table without a row."""
    subject = Subject(SUBJECT.candidate, SUBJECT.plain, SHAPE)
    found = list(measured(subject, forms(["cudagraph"], "cpu"), SPEC, None))
    assert {form.precision for form in found} == {"fp32", "bf16", "fp16"}
    assert all("cudagraph runs on cuda here, and the device is cpu" in form.refused for form in found)


def test_a_runtime_that_is_asked_for_and_missing_is_an_error_with_its_extra(monkeypatch):
    monkeypatch.setattr(runtime_table.importlib.util, "find_spec", lambda name: None)
    assert {name for name, _ in forms()} == {"eager", "compile"}
    with pytest.raises(UserError, match="openvino needs openvino, nncf") as error:
        forms(["openvino"])
    assert "senet-search[openvino]" in error.value.hint
