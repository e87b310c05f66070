import itertools

import pytest
import torch
from torch import nn

from senet_nas.network import warm_start
from senet_nas.network.backbones import table
from senet_nas.network.build import build, sites
from senet_nas.network.operators import GATES
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from spaces import SE, Architecture, Space, SpaceSpec, UserError
from tests.senet_nas.covering import EXCITATIONS, OF_CHANNELS, operators, positions, spelt

SMALL = "cifar_resnet8"
IMAGE = (3, 16, 16)


def allowed(se: SE) -> bool:
    try:
        warm_start.check_block(se)
    except UserError:
        return False
    return True


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics as after a training: nothing is 0, 1 or centred."""
    generator = torch.Generator().manual_seed(seed)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * 0.4 + 0.3)
    return network


def with_se(backbone: str, se: SE) -> Architecture:
    return Architecture(backbone, (se,) * len(sites(backbone)))


def same(one: nn.Module, other: nn.Module, *, training: bool) -> bool:
    x_NCHW = torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y_NK = one.train(training)(x_NCHW)
        return bool(y_NK.isfinite().all() and torch.equal(y_NK, other.train(training)(x_NCHW)))


PAIRS = [("avg", excitation) for excitation in EXCITATIONS] + operators()
COMBINATIONS = [
    spelt(*pair, gate, position)
    for pair, gate, position in itertools.product(
        PAIRS, GATES, ("pre_addition", "post_addition", "pre_unit", "identity", "mid")
    )
]


@pytest.mark.parametrize("se", [se for se in COMBINATIONS if allowed(se)], ids=str)
def test_outputs_are_bit_identical_at_every_position_with_every_gate_that_allows_it(se: SE) -> None:
    architecture = with_se(SMALL, se)
    plain, network = drawn(build(Architecture.plain(SMALL, 3), num_classes=5)), build(architecture, num_classes=5)
    network.load_state_dict(plain.state_dict(), strict=False)
    warm_start.apply(network, architecture, "identity", IMAGE)
    assert same(network, plain, training=False)
    assert same(network, plain, training=True)


@pytest.mark.parametrize("squeeze", OF_CHANNELS)
@pytest.mark.parametrize("gate", ["sigmoid", "sigmoid2", "relu"])
def test_no_squeeze_disturbs_it(squeeze: str, gate: str) -> None:
    architecture = with_se(SMALL, spelt(squeeze, "fc4", gate, "pre_addition"))
    network = build(architecture, num_classes=5)
    warm_start.apply(network, architecture, "identity", IMAGE)
    assert same(network, build(Architecture.plain(SMALL, 3), num_classes=5), training=True)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid2"])
def test_it_holds_in_networks_of_torchvision(backbone: str, gate: str) -> None:
    architecture = with_se(backbone, spelt("avg", "fc4", gate, "pre_addition"))
    network = build(architecture, num_classes=5)
    warm_start.apply(network, architecture, "identity", IMAGE)
    assert same(network, build(Architecture.plain(backbone, len(sites(backbone))), num_classes=5), training=True)


def test_the_networks_part_ways_with_the_first_steps() -> None:
    architecture = with_se(SMALL, spelt("avg", "fc4", "sigmoid2", "mid"))
    network = build(architecture, num_classes=5)
    warm_start.apply(network, architecture, "identity", IMAGE)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    x_NCHW = torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x_NCHW), torch.arange(4)).backward()
        optimizer.step()
    blocks = [module for module in network.modules() if isinstance(module, SqueezeExcitation)]
    assert all(block.fc2.weight.any() and block.fc1.weight.grad.any() for block in blocks)


def test_the_block_seed_still_draws_all_else() -> None:
    architecture = with_se(SMALL, spelt("avg", "fc4", "sigmoid2", "mid"))
    one, other = build(architecture, block_seed=1), build(architecture, block_seed=2)
    for network in (one, other):
        warm_start.apply(network, architecture, "identity", IMAGE)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
    assert not torch.equal(one.layer1[0].mid.fc1.weight, other.layer1[0].mid.fc1.weight)


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ({"gate": ("sigmoid",)}, "gate sigmoid at post_addition", "use position pre_addition, a gate of sigmoid2"),
        ({"gate": ("hard_sigmoid",), "position": ("mid",)}, "gate hard_sigmoid at mid", "tanh, or model.init: scratch"),
        ({"gate": ("relu",), "excitation": ("fcnb",)}, "gate relu after fcnb", "use excitation fc"),
        ({"gate": ("sigmoid2", "relu"), "excitation": ("diag",)}, "gate relu after diag", "use excitation fc"),
    ],
)
def test_a_space_that_cannot_start_so_says_what_to_write(
    spec: dict[str, tuple[str, ...]], message: str, hint: str
) -> None:
    space = Space(SMALL, sites(SMALL), SpaceSpec(**spec))
    warm_start.check(space, "scratch", IMAGE, 5)
    with pytest.raises(UserError, match=message) as caught:
        warm_start.check(space, "identity", IMAGE, 5)
    assert hint in caught.value.hint
    assert caught.value.key == "space.gate"


def test_every_position_has_a_gate_that_allows_it() -> None:
    for position in (*positions("resnet50"), "output"):
        assert {gate for gate in GATES if allowed(spelt("avg", "fc4", gate, position))} >= {"sigmoid2", "tanh", "relu"}


@pytest.mark.parametrize("num_classes", [1000, 7])
def test_pretrained_weights_are_those_of_torchvision_with_se_that_changes_nothing(
    num_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = drawn(build(Architecture.plain("resnet18", 8)))
    monkeypatch.setattr(warm_start, "pretrained", lambda name: dict(theirs.state_dict()))
    architecture = with_se("resnet18", spelt("avg", "fc4", "sigmoid", "pre_addition"))
    network = build(architecture, num_classes=num_classes, block_seed=3)
    head = network.fc.weight.clone()
    warm_start.apply(network, architecture, "pretrained", IMAGE)
    if num_classes == 1000:
        assert same(network, theirs, training=False)
    else:
        assert torch.equal(network.fc.weight, head)
        network.fc = theirs.fc = nn.Identity()
        assert same(network, theirs, training=False)


def test_pretrained_weights_for_colour_do_not_fit_grey_images(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = build(Architecture.plain("resnet18", 8)).state_dict()
    monkeypatch.setattr(warm_start, "pretrained", lambda name: theirs)
    plain = Architecture.plain("resnet18", 8)
    with pytest.raises(UserError, match=r"conv1.weight is \(64, 3, 7, 7\) there and \(64, 1, 7, 7\) here") as caught:
        warm_start.apply(build(plain, in_channels=1), plain, "pretrained", IMAGE)
    assert "data.color: rgb" in caught.value.hint


def test_only_torchvision_has_pretrained_weights() -> None:
    with pytest.raises(UserError, match="no pretrained weights of `cifar_resnet8`") as caught:
        table.pretrained(SMALL)
    assert caught.value.key == "model.init"


def test_weights_that_cannot_be_downloaded_say_where_they_may_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_args: object, **_options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(UserError, match="no route to host") as caught:
        table.pretrained("resnet18")
    assert "TORCH_HOME" in caught.value.hint
