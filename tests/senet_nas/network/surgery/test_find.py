"""Units are found in the network itself; with empty slots it computes what it did before, with the same parameters."""

import copy
import random

import pytest
import torch
import torchvision
from torch import Tensor, nn

from senet_nas.network.backbones.table import names
from senet_nas.network.build import build, fill, initialise, sites, units
from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation
from senet_nas.network.surgery.as_published import published_of
from senet_nas.network.surgery.find import offer_units
from spaces import Architecture, Site
from spaces.placements import place
from tests.senet_nas.export.test_source import written

slow = pytest.mark.slow
TORCHVISION = [name for name in names() if name in torchvision.models.list_models(module=torchvision.models)]
QUICK = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0")
FAMILIES = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=slow) for name in TORCHVISION]
)


def torchvisions(name: str) -> nn.Module:
    torch.manual_seed(0)
    extra = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
    return torchvision.models.get_model(name, weights=None, num_classes=10, **extra)


def found_sites(network: nn.Module) -> tuple[Site, ...]:
    """The sites of a network with slots."""
    return tuple(
        Site(
            name,
            stage,
            {position: child.channels for position, child in unit.named_children() if isinstance(child, Slot)},
        )
        for name, stage, unit in units(network)
    )


@FAMILIES
def test_sites_equal_those_made_by_hand(name):
    network = torchvisions(name)
    offer_units(network, 3)
    assert found_sites(network) == sites(name)


@FAMILIES
def test_plain_computes_the_same_and_keeps_its_parameters(name):
    before = torchvisions(name)
    after = copy.deepcopy(before)
    offer_units(after, 3)
    for path, child in list(before.named_modules()):
        if isinstance(child, torchvision.ops.SqueezeExcitation):
            before.set_submodule(path, nn.Identity())
    assert list(before.state_dict()) == list(after.state_dict())
    assert [type(module).__name__ for module in before.modules()] == [
        type(module).__name__ for module in after.modules() if not isinstance(module, Slot)
    ]
    side = 160 if name == "inception_v3" else 64
    x_NCHW = torch.randn(2, 3, side, side)
    for is_training in (False, True):
        outputs = []
        for network in (before, after):
            torch.manual_seed(1)
            outputs.append(network.train(is_training)(x_NCHW))
        assert torch.equal(*outputs)


@pytest.mark.parametrize("position", ["pre_addition", "post_addition", "pre_unit", "identity", "mid"])
def test_se_acts_where_it_does_in_the_network_made_by_hand(position):
    by_hand = build(place("resnet18", sites("resnet18"), "all", {"position": position}), num_classes=10)
    network = torchvisions("resnet18")
    offer_units(network, 3)
    fill(network, place("resnet18", found_sites(network), "all", {"position": position}))
    network.to_empty(device="cpu").load_state_dict(by_hand.state_dict(), strict=True)
    x_NCHW = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(by_hand.eval()(x_NCHW), network.eval()(x_NCHW))


# -- traps ------------------------------------------------------------------------------------------------------------


def conv(c_in: int, c_out: int | None = None, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    c_out = c_out or c_in
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
    )


class Net(nn.Module):
    """A stem, a body and a head."""

    def __init__(self, *body: nn.Module, channels: int = 8):
        super().__init__()
        self.stem = conv(3, channels)
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, branch: nn.Module):
        super().__init__()
        self.branch = branch

    def forward(self, x):
        return x + self.branch(x)


class Parallel(nn.Module):
    """RepVGG's unit in training: linear branches."""

    def __init__(self):
        super().__init__()
        self.norm, self.large, self.small, self.act = nn.BatchNorm2d(8), conv(8)[:2], conv(8, kernel=1)[:2], nn.ReLU()

    def forward(self, x):
        return self.act(self.large(x) + self.small(x) + self.norm(x))


class Split(nn.Module):
    """Res2Net's unit: sums of parts of the channels inside the branch."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(conv(2) for _ in range(3))
        self.last, self.act = conv(8)[:2], nn.ReLU(inplace=True)

    def forward(self, x):
        first, second, third, last = torch.split(x, 2, 1)
        done = [self.convs[0](first)]
        for layer, part in zip(list(self.convs)[1:], (second, third), strict=True):
            done.append(layer(done[-1] + part))
        out = self.last(torch.cat([*done, last], 1))
        out += x
        return self.act(out)


class Fusion(nn.Module):
    """HRNet's sum of several inputs."""

    def __init__(self):
        super().__init__()
        self.one, self.other = Residual(conv(8)), conv(8)

    def forward(self, x):
        return self._fused([self.one(x), self.other(x)])

    def _fused(self, xs):
        return xs[0] + conv_of(self, xs[1])


def conv_of(module, x):
    return module.other(x)


class TwoInOne(nn.Module):
    """Two units in one forward, and a child that is called like a position."""

    def __init__(self):
        super().__init__()
        self.mid, self.second, self.relu = conv(8), conv(8), nn.ReLU()

    def forward(self, x):
        x = torch.relu(x + self.mid(x))
        return x.add(self.second(x))


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.act = nn.Linear(8, 8), nn.GELU()

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = x + self.act(self.one(x))
        return x.permute(0, 3, 1, 2)


class Moody(nn.Module):
    """Another function in training."""

    def __init__(self):
        super().__init__()
        self.branch = conv(8)

    def forward(self, x):
        return x + self.branch(x) if self.training else x + 0.5 * self.branch(x)


class Asking(nn.Module):
    """Looks at sizes."""

    def __init__(self):
        super().__init__()
        self.branch = conv(8)

    def forward(self, x):
        return x + self.branch(x) if x.shape[2] > 2 else x


class Wrapped(nn.Module):
    """A residual unit that hands further arguments on, of which it gets none."""

    def __init__(self):
        super().__init__()
        self.branch = Optional()

    def forward(self, x, *, scale=1.0, **words):
        return x + scale * torch.relu(self.branch(x, **words))


class Chance(nn.Module):
    """Stochastic depth by a number that Python draws."""

    def __init__(self):
        super().__init__()
        self.branch = conv(8)

    def forward(self, x):
        return x + self.branch(x) if not self.training or random.random() < 0.5 else x


class Typed(nn.Module):
    """Looks at the type of its input, which is not that of a tensor while torch.fx traces."""

    def __init__(self):
        super().__init__()
        self.branch = conv(8)

    def forward(self, x):
        return x + self.branch(x) if isinstance(x, Tensor) else x


class Listed(nn.Module):
    """Takes a list, as the blocks of SelecSLS do."""

    def __init__(self):
        super().__init__()
        self.branch = conv(8)

    def forward(self, xs):
        return xs[0] + self.branch(xs[0]) if isinstance(xs, list) else xs


class Listing(nn.Module):
    def __init__(self):
        super().__init__()
        self.unit = Listed()

    def forward(self, x):
        return self.unit([x])


class Add(nn.Module):
    def forward(self, x, y):
        return x + y


class AddList(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, xs):
        return self.act(xs[0] + xs[1])


def in_place(x, y):
    y.add_(x)
    return y


# An addition of x and y as people write it.
ADDED = {
    "minus": lambda x, y: x - y,
    "branch minus shortcut": lambda x, y: torch.sub(y, x),
    "stack": lambda x, y: torch.stack([x, y]).sum(0),
    "stack of an axis": lambda x, y: torch.sum(torch.stack((y, x), dim=0), dim=0),
    "mean": lambda x, y: torch.stack((y, x)).mean(0),
    "words": lambda x, y: torch.add(input=x, other=y),
    "sum": lambda x, y: sum([x, y]),
    "in place": in_place,
}


class Summed(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.branch, self.act = how, nn.Sequential(*conv(8), *conv(8)[:2]), nn.ReLU()

    def forward(self, x):
        return self.act(ADDED[self.how](x, self.branch(x)))


class ByModule(Summed):
    """The addition is a module of its own."""

    def __init__(self, add, listed):
        super().__init__("")
        self.add, self.listed = add, listed

    def forward(self, x):
        return self.add([x, self.branch(x)]) if self.listed else self.act(self.add(self.branch(x), x))


class TwoInputs(Summed):
    def forward(self, skip, x):
        return self.act(self.branch(x) + skip)


class Given(nn.Module):
    """Two units that are given two tensors: the first one the same twice."""

    def __init__(self, units):
        super().__init__()
        self.units = nn.ModuleList(TwoInputs("") for _ in range(units))

    def forward(self, x):
        y = x
        for unit in self.units:
            y = unit(x, y)
        return y


class Pair(Summed):
    """Takes and returns a pair."""

    def forward(self, xs):
        x, other = xs
        return self.act(self.branch(x) + x), other


class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.units = nn.Sequential(Pair(""), Pair(""))

    def forward(self, x):
        return self.units((x, x))[0]


class OnlyNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(8), nn.ReLU()

    def forward(self, x):
        return x + self.act(self.norm(x))


class Gated(nn.Module):
    """SE between a first layer and a residual unit, as in RepViT."""

    def __init__(self):
        super().__init__()
        self.first, self.se, self.branch = conv(8), torchvision.ops.SqueezeExcitation(8, 2), conv(8)

    def forward(self, x):
        x = self.se(self.first(x))
        return x + self.branch(x)


class Drop(nn.Module):
    """Stochastic depth of the user's own, which torch.fx cannot trace."""

    def forward(self, x):
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5) if self.training else x


class Dropped(nn.Module):
    """Stochastic depth and layer scale behind the branch; nothing is called like in torchvision."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.scale, self.drop_path = conv(8), conv(8)[:2], nn.Parameter(torch.ones(8, 1, 1)), Drop()

    def forward(self, x):
        return self.drop_path(self.b(self.a(x)) * self.scale) + x


class Optional(nn.Module):
    """DLA's unit: the shortcut may be given."""

    def __init__(self):
        super().__init__()
        self.branch = conv(8)

    def forward(self, x, shortcut=None, mask=None):
        if shortcut is None:
            shortcut = x
        if mask is not None:
            x = x * mask
        return self.branch(x) + shortcut


class Inverted(nn.Module):
    """An inverted residual, without its shortcut where the width changes."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.layers = nn.Sequential(conv(c_in, 16, 1), conv(16), *conv(16, c_out, 1)[:2])
        self.is_residual = c_in == c_out

    def forward(self, x):
        return x + self.layers(x) if self.is_residual else self.layers(x)


class Joined(nn.Module):
    """An Inception module."""

    def __init__(self):
        super().__init__()
        self.one, self.other = conv(8, 2), conv(8, 6)

    def forward(self, x):
        return torch.cat([self.one(x), self.other(x)], 1)


class Scaled(nn.Module):
    """A layer scale that is reshaped in the forward, as timm's ConvNeXt does it."""

    def __init__(self):
        super().__init__()
        self.branch, self.gamma = conv(8), nn.Parameter(torch.ones(8))

    def forward(self, x):
        return x + self.branch(x) * self.gamma.reshape(1, -1, 1, 1)


FOUR = {"pre_addition": 8, "post_addition": 8, "pre_unit": 8, "identity": 8}
FIVE = {**FOUR, "mid": 8}
BODIES = {
    "branch of one convolution": ([Residual(conv(8))], [FOUR]),
    "bottleneck": ([Residual(nn.Sequential(conv(8, 4, 1), conv(4), *conv(4, 8, 1)[:2]))], [{**FOUR, "mid": 4}]),
    "two convolutions": ([Residual(nn.Sequential(conv(8), *conv(8)[:2]))], [FIVE]),
    "parallel": ([Parallel(), Residual(conv(8))], [{"output": 8}, FOUR]),
    "split": ([Split()], [FOUR]),
    "fusion": ([Fusion()], [FOUR]),
    "group": ([Residual(nn.Sequential(conv(8), Residual(conv(8)), Residual(conv(8))))], [FOUR, FOUR]),
    "two in one": ([TwoInOne()], [FOUR, FOUR]),
    "stochastic depth": ([Dropped()], [FIVE]),
    "optional shortcut": ([Optional()], [FOUR]),
    "layer scale": ([Scaled()], [FOUR]),
    "inverted": (
        [Inverted(8, 12), Inverted(12, 12), Inverted(12, 8)],
        [{"mid": 16, "output": 12}, {**dict.fromkeys(FOUR, 12), "mid": 16}, {"mid": 16, "output": 8}],
    ),
    "joined": ([Joined(), Joined()], [{"output": 8}, {"output": 8}]),
    "parallel alone": ([Parallel()], [{"output": 8}]),
    "words": ([Wrapped()], [FOUR]),
    **{f"added: {how}": ([Summed(how)], [FIVE]) for how in ADDED},
    "added by a module": ([ByModule(Add(), listed=False)], [FIVE]),
    "added by a module that takes a list": ([ByModule(AddList(), listed=True)], [FIVE]),
    "one tensor given twice": ([Given(1)], [FIVE]),
    "two tensors": ([Given(2)], [FIVE, {"output": 8}]),
    "pairs": ([Pairs()], [FIVE, FIVE]),
    "a norm alone": ([OnlyNorm()], [FOUR]),
    "untraceable units": ([Asking(), Asking()], [{"output": 8}, {"output": 8}]),
    "chain": ([conv(8), conv(8, 8, 1)], [{"output": 8}] * 3),
}
NOT_TAKEN = {
    "twice": ([(shared := Residual(conv(8))), shared], "body.0", "is called 2 times in a forward pass"),
    "channels last": ([ChannelsLast()], "body.0", "does not have its channels second"),
    "moody": ([Moody()], "body.0", "its forward is another one in training"),
    "asking": ([Asking()], "body.0", "its forward cannot be traced: it decides by a value or a size of a tensor ("),
    "chance": ([Chance()], "body.0", "its forward draws random numbers; move that into a child module"),
    "typed": ([Typed()], "body.0", "its forward asks what kind of thing it is given (`isinstance`)"),
    "listed": ([Listing()], "body.0.unit", "its forward asks what kind of thing it is given"),
}


@pytest.mark.parametrize("name", BODIES)
def test_units_of_a_body(name):
    body, expected = BODIES[name]
    before = Net(*copy.deepcopy(body))
    after = copy.deepcopy(before)
    found = offer_units(after, 3)
    assert [site.channels for site in found_sites(after)] == expected
    assert found.n_units == len(expected)
    assert list(before.state_dict()) == list(after.state_dict())
    x_NCHW = torch.randn(3, 3, 8, 8)
    for is_training in (True, False):
        outputs = []
        for network in (before, after):
            torch.manual_seed(1)
            outputs.append(network.train(is_training)(x_NCHW))
        assert torch.equal(*outputs)


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_is_no_unit_is_named_with_the_reason(name):
    body, path, why = NOT_TAKEN[name]
    network = Net(*body, Residual(conv(8)))
    found = offer_units(network, 3)
    assert found.n_units == 1
    assert found.skipped[path].startswith(why)


def test_activations_in_a_part_that_cannot_be_traced_do_not_hide_the_reason():
    found = offer_units(Net(Asking()), 3)
    assert found.n_units == 2  # that of the stem too
    assert set(found.skipped) == {"body.0"}


def test_parts_with_one_reason_are_named_in_one_remark():
    network = Net(*(Asking() for _ in range(3)))
    offer_units(network, 3)
    (remark,) = published_of(network).notes
    assert remark.startswith("only `output` in `body.0` and 2 other parts: its forward cannot be traced")
    assert "test_find.py, line" in remark


def test_a_unit_that_adds_another_tensor_says_why_it_offers_its_output_alone():
    network = Net(Given(2))
    offer_units(network, 3)
    (remark,) = published_of(network).notes
    assert remark.startswith("only `output` in `body.0.units.1`: its addition takes another tensor that it is given")


def test_attention_before_a_unit_is_the_output_of_the_layers_before_it():
    network = Net(Gated())
    offer_units(network, 3)
    assert [site.channels for site in found_sites(network)] == [{"output": 8}, FOUR]
    assert published_of(network).paths == ("body.0.se", "")
    assert str(published_of(network).blocks[0]) == "avg:fc2:sigmoid@output"


def draw_se(network: nn.Module) -> int:
    """Gives the SE blocks of a network values; how many there are."""
    blocks = [(path, module) for path, module in network.named_modules() if isinstance(module, SqueezeExcitation)]
    for path, block in blocks:
        initialise(block.to_empty(device="cpu"), 0, path)
    return len(blocks)


@pytest.mark.parametrize("name", BODIES)
def test_every_place_trains_and_is_reached_once(name):
    network = Net(*copy.deepcopy(BODIES[name][0]))
    offer_units(network, 3)
    for site in found_sites(network):
        for position in site.channels:
            with_se = copy.deepcopy(network)
            blocks = [place("x", [site], "all", {"position": position, "reduction": "2"}).blocks[0]]
            architecture = Architecture("x", tuple(blocks[0] if s == site else None for s in found_sites(network)))
            fill(with_se, architecture)
            assert draw_se(with_se) == 1
            with_se(torch.randn(2, 3, 8, 8)).sum().backward()
            assert all(parameter.grad is not None for parameter in with_se.parameters())


@pytest.mark.parametrize("name", [name for name in BODIES if name != "untraceable units"])
def test_every_body_is_written_as_source(name):
    network = Net(*copy.deepcopy(BODIES[name][0]))
    offer_units(network, 3)
    offered = found_sites(network)
    ends = [next(iter(site.channels)) for site in offered]
    blocks = [
        place("x", [site], "all", {"position": end, "reduction": "2"}).blocks[0]
        for site, end in zip(offered, ends, strict=True)
    ]
    fill(network, Architecture("x", tuple(blocks)))
    draw_se(network)
    other = written(network.eval())
    other.load_state_dict(network.state_dict(), strict=True)
    x_NCHW = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(other.eval()(x_NCHW), network(x_NCHW))


def test_stages_are_runs_of_one_width_and_resolution():
    def unit(width):
        return Residual(conv(width))

    network = Net(unit(8), unit(8), nn.MaxPool2d(2), unit(8), conv(8, 16), unit(16), unit(16), channels=8)
    network.head = nn.Linear(16, 4)
    offer_units(network, 3)
    assert [site.name for site in found_sites(network)] == ["1.0", "1.1", "2.0", "3.0", "3.1"]


def test_a_layer_for_one_size_behind_the_units_does_no_harm():
    network = nn.Sequential(conv(3, 8), Residual(conv(8)), nn.Flatten(), nn.Linear(8 * 20 * 20, 4))
    assert offer_units(network, 3).n_units == 1


def test_signals_and_volumes_have_units_too():
    for kind, shape in ((nn.Conv1d, (2, 3, 16)), (nn.Conv3d, (2, 3, 8, 8, 8))):
        network = nn.Sequential(
            kind(3, 8, 3), Residual(nn.Sequential(kind(8, 8, 3, padding=1), nn.ReLU(), kind(8, 8, 1)))
        )
        offer_units(network, 3)
        assert [site.channels for site in found_sites(network)] == [FIVE]
        assert network(torch.randn(shape)).shape[:2] == (2, 8)
