import subprocess
import sys

import pytest
import torch

from senet_nas.operators import GATES, SQUEEZES, check
from spaces import Architecture, Site, UserError

SITES = (Site("1.0", 1, {"pre_addition": 16, "pre_unit": 16}), Site("1.1", 1, {"pre_addition": 16, "pre_unit": 16}))


@pytest.fixture(name="x_NCL")
def maps() -> torch.Tensor:
    return torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(0))


def test_tables_of_names_need_no_torch() -> None:
    code = (
        "import sys, senet_nas.operators, senet_nas.backbones, senet_nas.overhead\n"
        "senet_nas.backbones.check('resnet50')\n"
        "print([name for name in ('torch', 'torchvision', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_a_squeeze_leaves_one_number_for_each_channel(squeeze: str, x_NCL: torch.Tensor) -> None:
    assert SQUEEZES[squeeze](x_NCL).shape == (3, 5)


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_a_squeeze_does_not_see_where(squeeze: str, x_NCL: torch.Tensor) -> None:
    shuffled = x_NCL[:, :, torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(SQUEEZES[squeeze](shuffled), SQUEEZES[squeeze](x_NCL))


@pytest.mark.parametrize("places", [1, 9])
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_a_squeeze_of_constant_maps_has_a_finite_gradient(squeeze: str, places: int) -> None:
    x_NCL = torch.zeros(2, 3, places, requires_grad=True)
    SQUEEZES[squeeze](x_NCL).sum().backward()
    assert x_NCL.grad is not None
    assert x_NCL.grad.isfinite().all()


def test_squeezes_are_what_their_names_say(x_NCL: torch.Tensor) -> None:
    mean, maximum = x_NCL.mean(-1), x_NCL.max(-1).values
    torch.testing.assert_close(SQUEEZES["avg"](x_NCL), mean)
    torch.testing.assert_close(SQUEEZES["max"](x_NCL), maximum)
    torch.testing.assert_close(SQUEEZES["avgmax"](x_NCL), (mean + maximum) / 2)
    torch.testing.assert_close(SQUEEZES["std"](x_NCL), x_NCL.std(-1, correction=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_is_elementwise_and_finite_far_out(gate: str) -> None:
    s_NC = torch.tensor([[-1e4, -3.0, -0.5], [0.0, 2.0, 1e4]], requires_grad=True)
    factors_NC = GATES[gate](s_NC)
    factors_NC.sum().backward()
    assert s_NC.grad is not None
    assert factors_NC.shape == s_NC.shape
    assert factors_NC.isfinite().all()
    assert s_NC.grad.isfinite().all()
    torch.testing.assert_close(GATES[gate](s_NC[1:, :2]), factors_NC[1:, :2])


def test_gates_are_what_their_names_say() -> None:
    s_NC = torch.linspace(-6, 6, 25)[None]
    torch.testing.assert_close(GATES["sigmoid"](s_NC), torch.sigmoid(s_NC))
    torch.testing.assert_close(GATES["hard_sigmoid"](s_NC), torch.nn.functional.hardsigmoid(s_NC))


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ("-", "has 1 fields, but net has 2 sites", "`-` is a site without SE"),
        ("-/agv:fc4:sigmoid@pre_addition", "unknown squeeze `agv`; allowed: avg, max", "did you mean `avg`?"),
        ("-/avg:fc4:sigmoyd@pre_addition", "unknown gate `sigmoyd`", "did you mean `sigmoid`?"),
        ("-/avg:fc4:sigmoid@pre_units", "unknown position at site 1.1 `pre_units`", "did you mean `pre_unit`?"),
    ],
)
def test_check_says_what_is_allowed(fields: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        check(Architecture.parse(f"net/{fields}"), SITES)
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_check_returns_what_it_accepts() -> None:
    architecture = Architecture.parse("net/-/std:fc2nb:hard_sigmoid@pre_unit")
    assert check(architecture, SITES) is architecture
