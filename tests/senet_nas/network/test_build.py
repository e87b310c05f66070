import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from senet_nas.network.build import build, sites, units
from senet_nas.network.operators import GATES
from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation
from spaces import Architecture, UserError
from spaces.placements import place
from tests.senet_nas.covering import OF_CHANNELS, covering, operators, spelt

POSITIONS = ("pre_addition", "post_addition", "pre_unit", "identity", "mid")
SMALL = "cifar_resnet8"
FULL = covering(SMALL)[0]


def parameters(architecture: Architecture | str, block_seed: int = 0) -> dict[str, torch.Tensor]:
    return dict(build(architecture, num_classes=10, block_seed=block_seed).named_parameters())


# Hu et al., arXiv 1709.01507, section 6.5: F is the residual branch, P the shortcut.
EQUATIONS = {
    "pre_addition": lambda x, se, f, p: torch.relu(p(x) + se(f(x))),
    "post_addition": lambda x, se, f, p: se(torch.relu(p(x) + f(x))),
    "pre_unit": lambda x, se, f, p: torch.relu(p(x) + f(se(x))),
    "identity": lambda x, se, f, p: torch.relu(se(p(x)) + f(x)),
}


@pytest.mark.parametrize("backbone", [SMALL, "resnet18", "resnet50"])
@pytest.mark.parametrize("position", EQUATIONS)
def test_positions_are_their_equations(backbone: str, position: str) -> None:
    network = build(place(backbone, sites(backbone), "blocks:2.0", {"position": position, "reduction": "4"})).eval()
    unit = network.layer2[0]
    x_NCHW = torch.randn(2, sites(backbone)[-1].channels["pre_unit"], 8, 8)
    x_NCHW = x_NCHW[:, : unit.conv1.in_channels]
    with torch.inference_mode():
        expected = EQUATIONS[position](x_NCHW, getattr(unit, position), unit.residual, unit.downsample)
        torch.testing.assert_close(unit(x_NCHW), expected)


@pytest.mark.parametrize(("backbone", "before", "after"), [(SMALL, (1,), (2,)), ("resnet50", (1, 2), (3,))])
def test_mid_acts_on_the_activation_of_the_3x3_convolution(
    backbone: str, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    unit = build(place(backbone, sites(backbone), "all", {"position": "mid", "reduction": "4"})).eval().layer2[0]

    def through(h_NCHW: torch.Tensor, numbers: tuple[int, ...]) -> torch.Tensor:
        for number in numbers:
            h_NCHW = getattr(unit, f"bn{number}")(getattr(unit, f"conv{number}")(h_NCHW)).relu()
        return h_NCHW

    x_NCHW = torch.randn(2, unit.conv1.in_channels, 8, 8)
    h_NCHW = unit.mid(through(x_NCHW, before))
    last = after[-1]
    y_NCHW = getattr(unit, f"bn{last}")(getattr(unit, f"conv{last}")(through(h_NCHW, after[:-1])))
    torch.testing.assert_close(unit(x_NCHW), (unit.downsample(x_NCHW) + y_NCHW).relu())


def test_sites_are_the_slots_of_the_backbone() -> None:
    found = sites("resnet50")
    assert [site.name for site in found][:4] == ["1.0", "1.1", "1.2", "2.0"]
    assert [sum(site.stage == stage for site in found) for stage in (1, 2, 3, 4)] == [3, 4, 6, 3]
    widths = {"pre_addition": 256, "post_addition": 256, "pre_unit": 64, "identity": 256, "mid": 64}
    assert dict(found[0].channels) == widths
    assert sites("resnet50") is found


def test_only_the_named_slot_is_filled() -> None:
    network = build(f"{SMALL}/-/max:fc4nb:sigmoid@identity/-", in_channels=1, num_classes=3)
    added = set(network.state_dict()) - set(build(f"{SMALL}/-/-/-", in_channels=1, num_classes=3).state_dict())
    assert added == {"layer2.0.identity.fc1.weight", "layer2.0.identity.fc2.weight"}
    assert sum(isinstance(child, Slot) for _, _, unit in units(network) for child in unit.children()) == 14


def test_architectures_of_a_block_share_their_start() -> None:
    plain, full = parameters(f"{SMALL}/-/-/-", 7), parameters(FULL, 7)
    half = parameters(f"{SMALL}/{FULL.blocks[0]}/-/-", 7)
    assert all(torch.equal(full[name], value) for name, value in {**plain, **half}.items())
    assert set(plain) < set(half) < set(full)


def test_blocks_differ_and_repeat() -> None:
    one, again, other = (parameters(f"{SMALL}/-/-/-", seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])
    assert not torch.equal(one["layer1.0.conv1.weight"], one["layer1.0.conv2.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build(FULL)
    assert torch.equal(torch.get_rng_state(), before)


def test_start_is_that_of_torchvision_and_torch() -> None:
    network = build("resnet18/" + "/".join(["avg:fc16:sigmoid@pre_addition"] * 8))
    conv, fc1, norm = network.layer3[0].conv2, network.layer3[0].pre_addition.fc1, network.layer3[0].bn2
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)
    for values in (fc1.weight, fc1.bias):  # uniform up to 1 / sqrt(fan-in)
        assert 0.8 / 16 < values.abs().max().item() <= 1 / 16
    assert (norm.weight == 1).all()
    assert not norm.bias.any()
    assert not norm.running_mean.any()
    assert (norm.running_var == 1).all()
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{SMALL}/-/-", "has 2 fields, but cifar_resnet8 has 3 sites"),
        (f"{SMALL}/-/-/av:fc4:sigmoid@identity", "unknown squeeze `av`"),
        (f"{SMALL}/-/-/avg:fc4:sigmoid@output", "unknown position at site 3.0 `output`"),
        ("resnet19/-", "unknown backbone `resnet19`"),
        ("resnet18", "`resnet18` is not an architecture"),
    ],
)
def test_what_cannot_be_built_says_why(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(text)


PAIRS = [*itertools.product(OF_CHANNELS, ["fc2", "fc3", "fc3nb", "eca3", "diag", "ese", "none"]), *operators()]
FIELDS = st.none() | st.builds(
    lambda pair, gate, position: spelt(*pair, gate, position),
    st.sampled_from(PAIRS),
    st.sampled_from(list(GATES)),
    st.sampled_from(POSITIONS),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Architecture, Architecture]:
    """Two architectures that differ in one site at most."""
    blocks = draw(st.tuples(FIELDS, FIELDS, FIELDS))
    changed, site = draw(FIELDS | st.just(blocks[0])), draw(st.integers(0, 2))
    return Architecture(SMALL, blocks), Architecture(SMALL, (*blocks[:site], changed, *blocks[site + 1 :]))


def awake(architecture: Architecture) -> nn.Module:
    """The network without dead bottlenecks, which would hide the gate: of two opposite hidden units, one lives."""
    network = build(architecture, num_classes=5).eval()
    for module in network.modules():
        if isinstance(module, SqueezeExcitation) and module.se.hidden:
            module.fc1.weight.data[1] = -module.fc1.weight.data[0]
            if module.fc1.bias is not None:
                module.fc1.bias.data[:2] = 0
    return network


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pairs())
def test_same_key_if_and_only_if_same_network(pair: tuple[Architecture, Architecture]) -> None:
    x_NCHW = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    one, other = (awake(architecture) for architecture in pair)
    with torch.inference_mode():
        same_output = torch.equal(one(x_NCHW), other(x_NCHW))
    sizes = [sum(p.numel() for p in network.parameters()) for network in (one, other)]
    assert (same_output and sizes[0] == sizes[1]) == (pair[0].key == pair[1].key)
    assert Architecture.parse(pair[0].key) == pair[0]
