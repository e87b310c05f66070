"""Every runtime, in every precision that it knows: the contract of a row of the table."""

import functools
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from senet_nas.deploy import runtime_table
from senet_nas.deploy.deployed import Wanted
from senet_nas.deploy.deploying import deploy
from senet_nas.deploy.precisions import CPU, PRECISIONS
from senet_nas.deploy.runtime_table import RUNTIMES, check, pairs
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.quantised import Refused
from spaces import SE, UserError

SHAPE = (1, 12, 12)
# How far logits of a precision may be from those of fp32, as a share of the largest.
TOLERANCE = {"fp32": 1e-5, "bf16": 0.05, "fp16": 0.01, "int8": 0.1}
SLOW = ("compile",)
ON_CPU = [
    pytest.param(name, precision, marks=pytest.mark.slow if name in SLOW else ())
    for name, precision in pairs(installed=False)
    if CPU in RUNTIMES[name].devices
]
EVERY = pytest.mark.parametrize(("name", "precision"), ON_CPU)


def network():
    """A convolution with SE behind it: runtimes take seconds to write a larger one."""
    torch.manual_seed(0)
    scaled = SqueezeExcitation(8, SE.parse("avg:fc4:sigmoid@pre_addition"))
    head = (nn.ReLU(), nn.Conv2d(8, 512, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), scaled, *head).eval()


def tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()


@functools.cache
def made(name, precision):
    """A deployed network and its inputs; deploying takes a second or two, so the tests share it."""
    x = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(1))
    return deploy(network(), name, Wanted(SHAPE, precision, batch=3, calibration=x)), x


def typed(x, precision):
    return x.to(getattr(torch, PRECISIONS[precision])) if PRECISIONS[precision] else x


@EVERY
def test_it_computes_the_network(name, precision):
    deployed, x = made(name, precision)
    # Runtimes of files take float32 and compute in what they were made for.
    given = x if RUNTIMES[name].writes_files else typed(x, precision)
    with torch.inference_mode():
        truth, found = network()(x), deployed.open(3)(given).float()
    assert found.shape == truth.shape
    difference = float((found - truth).abs().max() / truth.abs().max())
    assert difference <= TOLERANCE[precision]
    assert (difference > 1e-6) == (precision != "fp32")  # it does compute in that precision


@EVERY
def test_smaller_numbers_take_less_space(name, precision):
    deployed, _ = made(name, precision)
    whole, _ = made(name, "fp32")
    assert bool(deployed.files) == RUNTIMES[name].writes_files
    if RUNTIMES[name].writes_files:
        assert deployed.size == sum(map(len, deployed.files.values()))
    # OpenVINO stores the weights of its bf16 in fp32 and rounds them when it opens them.
    if precision != "fp32" and (name, precision) != ("openvino", "bf16"):
        assert deployed.size < 0.6 * whole.size


@EVERY
def test_every_opening_has_data_of_its_own_and_the_same_logits(name, precision):
    deployed, x = made(name, precision)
    given = x if RUNTIMES[name].writes_files else typed(x, precision)
    first, second = deployed.open(3), deployed.open(3)
    assert first is not second
    logits = first(given)
    assert torch.equal(logits, second(given))
    # For any batch size a runtime may round otherwise.
    of_any = deployed.open(0)(given)
    assert float((of_any - logits).abs().max() / logits.abs().max()) <= TOLERANCE[precision]


@pytest.mark.parametrize("name", [name for name, row in RUNTIMES.items() if row.writes_files])
def test_what_a_runtime_cannot_run_is_refused_by_name(name):
    class Odd(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x  # how it goes on depends on the values

    with pytest.raises(Refused, match=f"refused by {name} \\(fp32\\): "):
        deploy(Odd(), name, Wanted(SHAPE))


def test_a_precision_that_a_runtime_does_not_know_is_an_error_that_says_where_it_runs():
    with pytest.raises(UserError, match="eager does not compute in int8") as error:
        check("eager", "int8")
    assert "onnxruntime, openvino" in error.value.hint


@pytest.mark.parametrize("name", [name for name, row in RUNTIMES.items() if row.packages])
def test_a_missing_runtime_names_its_packages_and_its_extra(name, monkeypatch):
    monkeypatch.setattr(runtime_table.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=f"{name} needs {RUNTIMES[name].packages[0]}") as error:
        check(name, "fp32")
    assert error.value.hint == f"pip install 'senet-search[{RUNTIMES[name].extra}]'"
    assert name not in {found for found, _ in pairs()}


def test_the_table_needs_no_torch():
    program = "import sys, senet_nas.deploy.runtime_table, senet_nas.costs.measures\nprint('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_openvino_reports_nothing_to_its_makers(tmp_path, monkeypatch):
    """It writes the number of this machine into the home before it reports."""
    monkeypatch.setenv("HOME", str(tmp_path))
    before = os.environ.get("CI")
    deploy(tiny(), "openvino", Wanted(SHAPE, "int8"))
    assert not list(tmp_path.iterdir())
    assert os.environ.get("CI") == before
    assert "nncf" in sys.modules


def test_ranges_of_int8_come_from_the_calibration():
    """Activations beyond the ranges of the calibration are cut off."""
    x = torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        truth = tiny()(x)
    errors = []
    for calibration in (x, 0.01 * x):
        form = deploy(tiny(), "onnxruntime", Wanted(SHAPE, "int8", batch=0, calibration=calibration)).open(0)
        errors.append(float((form(x) - truth).abs().mean()))
    assert errors[1] > 5 * errors[0]
