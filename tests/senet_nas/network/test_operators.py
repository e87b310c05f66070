import math
import subprocess
import sys

import pytest
import torch

from senet_nas.network.operators import GATES, check
from senet_nas.network.squeezes import SQUEEZES
from spaces import Architecture, Site, UserError
from tests.senet_nas.covering import OF_CHANNELS

SITES = (Site("1.0", 1, {"pre_addition": 16, "pre_unit": 16}), Site("1.1", 1, {"pre_addition": 16, "pre_unit": 16}))


@pytest.fixture(name="x_NCL")
def maps() -> torch.Tensor:
    return torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(0))


def test_tables_of_names_need_no_torch() -> None:
    code = (
        "import sys, senet_nas.network.operators, senet_nas.network.backbones.table, senet_nas.costs.overhead\n"
        "senet_nas.network.backbones.table.check('resnet50')\n"
        "print([name for name in ('torch', 'torchvision', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def squeezed(name: str, x: torch.Tensor) -> torch.Tensor:
    """The squeeze as it starts."""
    row = SQUEEZES[name]
    weights = [torch.full(row.weight(x.shape[1]), row.start, dtype=x.dtype)] if row.weight else []
    return row.function(x, *weights)


def together(z: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    """What a squeeze leaves, as one tensor."""
    return torch.cat([part.flatten() for part in z]) if isinstance(z, list) else z


@pytest.mark.parametrize("squeeze", OF_CHANNELS)
def test_a_squeeze_leaves_one_number_for_each_channel(squeeze: str, x_NCL: torch.Tensor) -> None:
    assert squeezed(squeeze, x_NCL).shape == (3, 5)


@pytest.mark.parametrize("squeeze", [name for name in OF_CHANNELS if name != "dct"])
def test_a_squeeze_does_not_see_where(squeeze: str, x_NCL: torch.Tensor) -> None:
    shuffled = x_NCL[:, :, torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(squeezed(squeeze, shuffled), squeezed(squeeze, x_NCL))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_a_squeeze_is_finite_wherever_its_map_is(squeeze: str, dtype: torch.dtype) -> None:
    x_NCL = torch.rand(2, 4, 400, generator=torch.Generator().manual_seed(0)) * torch.finfo(torch.float16).max
    x_NCL = (x_NCL * torch.tensor([1.0, -1.0, 1e-4, 0.0])[None, :, None]).to(dtype).requires_grad_()
    z_NC = together(squeezed(squeeze, x_NCL))
    (z_NC.float() / z_NC.float().abs().amax().detach()).sum().backward()
    assert z_NC.dtype == dtype
    assert z_NC.isfinite().all()
    assert x_NCL.grad.isfinite().all()


def test_l2_is_the_norm_over_the_root_of_the_number_of_places(x_NCL: torch.Tensor) -> None:
    torch.testing.assert_close(squeezed("l2", x_NCL), x_NCL.norm(dim=2) / 12**0.5, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("p", [1.0, 3.0, 5.5])
def test_gem_is_the_generalised_mean_of_what_is_positive(p: float, x_NCL: torch.Tensor) -> None:
    expected_NC = x_NCL.clamp(min=1e-6).pow(p).mean(2).pow(1 / p)
    torch.testing.assert_close(SQUEEZES["gem"].function(x_NCL, torch.tensor([p])), expected_NC)


@pytest.mark.parametrize("p", [0.5, 200.0])
def test_gem_stays_between_mean_and_maximum_whatever_its_power(p: float, x_NCL: torch.Tensor) -> None:
    x_NCL, weight = x_NCL.abs() + 0.1, torch.tensor([p], requires_grad=True)
    z_NC = SQUEEZES["gem"].function(x_NCL, weight)
    z_NC.sum().backward()
    assert (z_NC >= x_NCL.mean(2) - 1e-5).all()
    assert (z_NC <= x_NCL.amax(2) + 1e-5).all()
    assert weight.grad.isfinite().all()


def test_gem_has_the_gradient_of_its_formula(x_NCL: torch.Tensor) -> None:
    mine, theirs = (x_NCL.clone().requires_grad_() for _ in range(2))
    SQUEEZES["gem"].function(mine, torch.tensor([3.0])).sum().backward()
    theirs.clamp(min=1e-6).pow(3).mean(2).pow(1 / 3).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_attention_is_a_mean_that_may_look_somewhere(x_NCL: torch.Tensor) -> None:
    torch.testing.assert_close(squeezed("attention", x_NCL), x_NCL.mean(2))
    weight_1C = torch.randn(1, 5, generator=torch.Generator().manual_seed(2))
    a_NL = torch.einsum("c,ncl->nl", weight_1C[0], x_NCL).softmax(1)
    expected_NC = torch.einsum("nl,ncl->nc", a_NL, x_NCL)
    torch.testing.assert_close(SQUEEZES["attention"].function(x_NCL, weight_1C), expected_NC)


def test_dct_gives_each_run_of_channels_a_frequency_of_its_own() -> None:
    x_NCHW = torch.randn(2, 32, 7, 5, generator=torch.Generator().manual_seed(0))
    z_NC = squeezed("dct", x_NCHW)
    rows, columns = torch.arange(7)[:, None] + 0.5, torch.arange(5) + 0.5
    for run, (u, v) in enumerate([(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0)]):
        wave_HW = torch.cos(math.pi * u * rows / 7) * torch.cos(math.pi * v * columns / 5)
        channels = slice(2 * run, 2 * run + 2)
        torch.testing.assert_close(z_NC[:, channels], (x_NCHW[:, channels] * wave_HW).mean((2, 3)))


@pytest.mark.parametrize("spatial", [(1,), (1, 1), (2, 1), (3,), (2, 3, 4)])
def test_dct_leaves_no_channel_blind_on_small_maps(spatial: tuple[int, ...]) -> None:
    x = torch.randn(2, 24, *spatial, generator=torch.Generator().manual_seed(0))
    assert (squeezed("dct", x).abs() > 1e-6).all()


@pytest.mark.parametrize("places", [1, 9])
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_a_squeeze_of_constant_maps_has_a_finite_gradient(squeeze: str, places: int) -> None:
    x_NCL = torch.zeros(2, 3, places, requires_grad=True)
    together(squeezed(squeeze, x_NCL)).sum().backward()
    assert x_NCL.grad is not None
    assert x_NCL.grad.isfinite().all()


def test_squeezes_are_what_their_names_say(x_NCL: torch.Tensor) -> None:
    mean, maximum = x_NCL.mean(-1), x_NCL.max(-1).values
    torch.testing.assert_close(squeezed("avg", x_NCL), mean)
    torch.testing.assert_close(squeezed("max", x_NCL), maximum)
    torch.testing.assert_close(squeezed("avgmax", x_NCL), (mean + maximum) / 2)
    torch.testing.assert_close(squeezed("std", x_NCL), x_NCL.std(-1, correction=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_is_elementwise_and_finite_far_out(gate: str) -> None:
    s_NC = torch.tensor([[-1e4, -3.0, -0.5], [0.0, 2.0, 1e4]], requires_grad=True)
    factors_NC = GATES[gate].function(s_NC)
    factors_NC.sum().backward()
    assert s_NC.grad is not None
    assert factors_NC.shape == s_NC.shape
    assert factors_NC.isfinite().all()
    assert s_NC.grad.isfinite().all()
    torch.testing.assert_close(GATES[gate].function(s_NC[1:, :2]), factors_NC[1:, :2])


def test_gates_are_what_their_names_say() -> None:
    s_NC = torch.linspace(-6, 6, 25)[None]
    torch.testing.assert_close(GATES["sigmoid"].function(s_NC), torch.sigmoid(s_NC))
    torch.testing.assert_close(GATES["hard_sigmoid"].function(s_NC), torch.nn.functional.hardsigmoid(s_NC))
    torch.testing.assert_close(GATES["sigmoid2"].function(s_NC), 2 * torch.sigmoid(s_NC))
    torch.testing.assert_close(GATES["hard_sigmoid2"].function(s_NC), 2 * torch.nn.functional.hardsigmoid(s_NC))
    torch.testing.assert_close(GATES["tanh"].function(s_NC), 1 + torch.tanh(s_NC))
    torch.testing.assert_close(GATES["relu"].function(s_NC), torch.relu(s_NC))


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_says_what_it_is_at_rest_and_where_it_is_one(gate: str) -> None:
    row = GATES[gate]
    assert row.function(torch.zeros(1, 1)).item() == row.at_zero
    assert row.one is None or row.function(torch.full((1, 1), row.one)).item() == 1.0


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ("-", "has 1 fields, but net has 2 sites", "`-` is a site without SE"),
        ("-/agv:fc4:sigmoid@pre_addition", "unknown squeeze `agv`; allowed: avg, max", "did you mean `avg`?"),
        ("-/avg:fc4:sigmoyd@pre_addition", "unknown gate `sigmoyd`", "did you mean `sigmoid`?"),
        ("-/avg:fc4:sigmoid@pre_units", "unknown position at site 1.1 `pre_units`", "did you mean `pre_unit`?"),
        ("-/coord:fc4:sigmoid@pre_unit", "fc does not take what coord leaves", "after coord, write axes"),
        (
            "-/max:conv7:sigmoid@pre_unit",
            "conv does not take what max leaves",
            "after max, write fc or fcnb or fcbn or eca",
        ),
        ("-/simam:ese:tanh@pre_unit", "ese does not take what simam leaves", "after simam, write none"),
    ],
)
def test_check_says_what_is_allowed(fields: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        check(Architecture.parse(f"net/{fields}"), SITES)
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_check_returns_what_it_accepts() -> None:
    architecture = Architecture.parse("net/-/std:fc2nb:hard_sigmoid@pre_unit")
    assert check(architecture, SITES) is architecture
