"""Attention that a network has: recognised by what it computes, taken out for plain, and offered as published."""

import copy

import pytest
import torch
import torchvision
from torch import Tensor, nn

from senet_nas.network.build import build, fill, sites, units
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.network.surgery.as_published import published_of
from senet_nas.network.surgery.attention import attention_of
from senet_nas.network.surgery.find import offer_units
from spaces import SE, Architecture, Space, SpaceSpec, UserError
from spaces.placements import baselines, label, place

slow = pytest.mark.slow
EXACT = [
    "mobilenet_v3_small",
    "timm:mobilenetv3_small_050",
    "timm:regnety_002",
    "timm:ecaresnet26t",
    "timm:lcnet_050",
    "timm:ghostnet_050",
    pytest.param("timm:ese_vovnet39b", marks=slow),
    pytest.param("timm:ese_vovnet19b_slim", marks=slow),
    pytest.param("timm:rexnet_100", marks=slow),
    pytest.param("regnet_y_400mf", marks=slow),
    pytest.param("timm:seresnet18", marks=slow),
    pytest.param("timm:legacy_seresnet18", marks=slow),
    pytest.param("timm:seresnext26ts", marks=slow),
]


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name.startswith("timm:"):
        return pytest.importorskip("timm").create_model(name.removeprefix("timm:"), num_classes=10).eval()
    return torchvision.models.get_model(name, weights=None, num_classes=10).eval()


@pytest.mark.parametrize("name", EXACT)
def test_the_network_as_published_computes_what_the_network_computes(name: str) -> None:
    theirs = made(name)
    for parameter in theirs.parameters():  # timm's layers begin with zeros, so that units would do nothing
        parameter.data.normal_(0, 0.5 * max(parameter[0].numel(), 1) ** -0.5)
    ours = copy.deepcopy(theirs)
    attention = list(attention_of(theirs, 2))
    offer_units(ours, 3)
    blocks = published_of(ours).blocks
    assert sum(se is not None for se in blocks) == len(attention)
    assert published_of(ours).notes == ()
    fill(ours, Architecture("x", blocks))
    with torch.no_grad():
        for path, block in zip(attention, se_blocks(ours), strict=True):
            given = theirs.get_submodule(path).state_dict().values()
            for mine, weights in zip(block.to_empty(device="cpu").state_dict().values(), given, strict=True):
                mine.copy_(weights.reshape(mine.shape))
        x_NCHW = torch.randn(2, 3, 64, 64)
        expected, found = theirs(x_NCHW), ours.eval()(x_NCHW)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def se_blocks(network: nn.Module) -> list[SqueezeExcitation]:
    blocks = [
        [child for child in unit.children() if isinstance(child, SqueezeExcitation)] for _, _, unit in units(network)
    ]
    return [block for found in blocks for block in found]


def test_plain_is_without_it_and_the_placement_as_published_is_a_baseline():
    name = "timm:mobilenetv3_small_050"
    pytest.importorskip("timm")
    published = place(name, sites(name), "published")
    space = Space(name, sites(name), SpaceSpec(position=("mid",)))
    plain, everywhere, own, *_ = baselines(space)
    assert own == published
    assert own not in space
    assert all(everywhere.blocks)
    assert str(published.blocks[0]) == "avg:fc8:hard_sigmoid@mid"
    assert label(published, sites(name)) == "as published"
    names = list(build(plain, num_classes=10).state_dict())
    assert not [key for key in names if ".se." in key]


def test_a_network_without_attention_has_no_placement_as_published():
    assert [site.published for site in sites("resnet18")] == [None] * 8
    with pytest.raises(UserError, match="resnet18 has no SE of its own"):
        place("resnet18", sites("resnet18"), "published")


# -- kinds ------------------------------------------------------------------------------------------------------------


class Squeezed(nn.Module):
    """SE as users write it."""

    def __init__(self, hidden=nn.ReLU, gate=nn.Sigmoid, bias=False):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(8, 2, bias=bias), hidden(), nn.Linear(2, 8, bias=bias), gate())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Narrow(nn.Module):
    """One hidden unit, which a ReLU may switch off for half of all inputs."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Conv2d(8, 1, 1)
        self.excite = nn.Conv2d(1, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


class Effective(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * nn.functional.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class Normed(nn.Module):
    """SE with a norm behind its hidden layer, as in ReXNet, and maybe a shift, which ours lacks."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift
        self.squeeze = nn.Conv2d(8, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.excite = nn.Conv2d(2, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.norm(self.squeeze(x.mean((2, 3), keepdim=True))) + self.shift)
        return x * torch.sigmoid(self.excite(hidden))


class OfPlaces(nn.Module):
    """A gate for each place, of one convolution over all channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x))


class Spatial(nn.Module):
    """The spatial gate of CBAM."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.norm(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1))).sigmoid()


class Coordinates(nn.Module):
    """Coordinate attention."""

    def __init__(self, act=nn.Hardswish):
        super().__init__()
        self.first, self.norm, self.act = nn.Conv2d(8, 3, 1), nn.BatchNorm2d(3), act()
        self.rows, self.columns = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
        sides = [x.shape[2], x.shape[3]]
        hidden = self.act(self.norm(self.first(torch.cat([rows, columns], 2))))
        rows, columns = hidden.split(sides, 2)
        return x * self.rows(rows).sigmoid() * self.columns(columns).sigmoid().transpose(2, 3)


class Mixed(nn.Module):
    """A 1x1 convolution with a shortcut: no factor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class Fixed(nn.Module):
    """Layer scale: its factor does not follow from the input."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(8, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.weight[0][:, None, None]


KINDS = {
    "without bias": (Squeezed(), "avg:fc2nb:sigmoid@output", ""),
    "with bias": (Squeezed(gate=nn.Hardsigmoid, bias=True), "avg:fc2:hard_sigmoid@output", ""),
    "one hidden unit": (Narrow(), "avg:fc1:sigmoid@output", ""),
    "tanh": (Squeezed(gate=nn.Tanh), None, "no block of ours computes the same"),
    "SiLU": (Squeezed(hidden=nn.SiLU), "avg:fc2nb:sigmoid@output", "its hidden activation is SiLU, ours is ReLU"),
    "effective": (Effective(), "avg:ese:hard_sigmoid@output", ""),
    "of CBAM": (Spatial(), "spatial:conv7:sigmoid@output", ""),
    "of coordinates": (Coordinates(), "coord:axes3:sigmoid@output", ""),
    "of coordinates, with ReLU": (Coordinates(nn.ReLU), None, "no block of ours computes the same"),
    "of places": (OfPlaces(), None, "its layers are not those of a block of ours"),
    "a norm in it": (Normed(0.0), "avg:fc2bn:sigmoid@output", ""),
    "a norm and a shift": (Normed(0.1), None, "no block of ours computes the same"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_attention_is_recognised_by_what_it_computes(kind):
    module, block, note = KINDS[kind]
    (found,) = attention_of(nn.Sequential(nn.Conv2d(3, 8, 3), module), 2).values()
    assert found.se == (SE.parse(block) if block else None)
    assert found.note == note


@pytest.mark.parametrize("module", [Mixed(), Fixed()])
def test_what_does_not_scale_by_its_input_is_no_attention(module):
    assert attention_of(nn.Sequential(nn.Conv2d(3, 8, 3), module), 2) == {}


class Unit(nn.Module):
    """A residual unit with attention before the addition, or behind it."""

    def __init__(self, attention: nn.Module, is_before: bool = True):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.attention = attention
        self.is_before = is_before

    def forward(self, x: Tensor) -> Tensor:
        if self.is_before:
            return torch.relu(x + self.attention(self.body(x)))
        return self.attention(torch.relu(x + self.body(x)))


def test_attention_that_no_block_stands_for_stays_and_is_named():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), Squeezed(), Unit(Normed(0.1)), Unit(Coordinates(), is_before=False))
    offer_units(network, 3)
    assert [se and se.position for se in published_of(network).blocks] == [None, "post_addition"]
    assert published_of(network).notes == (
        "Squeezed stays in the plain network: it stands at no position of a unit (1)",
        "Normed stays in the plain network: no block of ours computes the same (2.attention)",
    )
    assert [type(unit.attention) for unit in network[2:]] == [Normed, nn.Identity]
