"""Operators of other papers: each against a formula of its own, against timm's layer, and with numbers made by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from senet_nas.costs.overhead import count, price_list, se_cost
from senet_nas.export.bundle import export
from senet_nas.export.source import source
from senet_nas.network import warm_start
from senet_nas.network.build import build, initialise, sites
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from spaces import SE, Architecture, Space, SpaceSpec, UserError
from spaces.placements import label, place
from tests.senet_nas.covering import operators

CHANNELS = 6
# The torch.export program of each block is tried by the contract suite.
CODE = ["model.py", "model.onnx"]


def block(text: str, n_axes: int = 2) -> SqueezeExcitation:
    """A block with weights and statistics as after a training."""
    made = SqueezeExcitation(CHANNELS, SE.parse(f"{text}@output"), n_axes).eval()
    generator = torch.Generator().manual_seed(0)
    for value in made.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.2)
    return made


def image(*sides: int) -> torch.Tensor:
    return torch.randn(2, CHANNELS, *sides, generator=torch.Generator().manual_seed(1))


def normed(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Batch normalisation with running statistics, channels second."""
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, var, weight, bias = (
        value.reshape(shape) for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / (var + norm.eps).sqrt() * weight + bias


def test_coordinate_attention_is_the_formula_of_its_paper():
    se, x_NCHW = block("coord:axes3:sigmoid"), image(4, 5)
    y_NCHW = torch.empty_like(x_NCHW)
    rows, columns = x_NCHW.mean(3), x_NCHW.mean(2)  # equations 4 and 5
    hidden = [
        functional.hardswish(
            normed(se.norm, torch.einsum("hc,ncs->nhs", se.reduce.weight[..., 0], z) + se.reduce.bias[:, None])
        )
        for z in (rows, columns)
    ]
    factors = [
        torch.sigmoid(torch.einsum("ch,nhs->ncs", layer.weight[..., 0], t) + layer.bias[:, None])
        for layer, t in zip((se.expand0, se.expand1), hidden, strict=True)
    ]
    for i in range(4):
        for j in range(5):  # equation 9
            y_NCHW[:, :, i, j] = x_NCHW[:, :, i, j] * factors[0][:, :, i] * factors[1][:, :, j]
    torch.testing.assert_close(se(x_NCHW), y_NCHW)


def test_the_norm_of_coordinate_attention_sees_rows_and_columns_together():
    se, x_NCHW = block("coord:axes3:sigmoid").train(), image(4, 5)
    before = se.norm.running_mean.clone()
    z_NCS = torch.cat([x_NCHW.mean(3), x_NCHW.mean(2)], 2)
    t_NHS = torch.einsum("hc,ncs->nhs", se.reduce.weight[..., 0], z_NCS) + se.reduce.bias[:, None]
    se(x_NCHW)
    torch.testing.assert_close(se.norm.running_mean, 0.9 * before + 0.1 * t_NHS.mean((0, 2)))


def test_the_spatial_gate_is_the_formula_of_cbam():
    se, x_NCHW = block("spatial:conv7:sigmoid"), image(5, 6)
    z_N2HW = torch.stack([x_NCHW.mean(1), x_NCHW.max(1).values], 1)
    patches = functional.unfold(functional.pad(z_N2HW, (3, 3, 3, 3)), 7)
    s_N1HW = normed(se.norm, torch.einsum("k,nkl->nl", se.conv.weight.flatten(), patches).reshape(2, 1, 5, 6))
    torch.testing.assert_close(se(x_NCHW), x_NCHW * torch.sigmoid(s_N1HW))


@pytest.mark.parametrize("sides", [(7,), (4, 5), (2, 3, 4), (1, 1)])
def test_simam_is_the_formula_of_its_paper(sides):
    se, x = block("simam:none:sigmoid", len(sides)), image(*sides)
    flat = x.flatten(2).double()
    d_NCL = (flat - flat.mean(2, keepdim=True)) ** 2
    variance = d_NCL.sum(2, keepdim=True) / max(flat.shape[2] - 1, 1)
    factors = torch.sigmoid(d_NCL / (4 * (variance + 1e-4)) + 0.5).reshape(x.shape)
    torch.testing.assert_close(se(x), (x * factors).float())


def test_simam_of_one_two_three_by_hand():
    """Mean 2, squared distances 1, 0, 1, variance 1: the energies are 1 / 4.0004 + 0.5 and 0.5."""
    y_NCL = SqueezeExcitation(1, SE.parse("simam:none:sigmoid@output"), 1)(torch.tensor([[[1.0, 2.0, 3.0]]]))
    torch.testing.assert_close(y_NCL, torch.tensor([[[0.679174, 1.244919, 2.037521]]]), rtol=0, atol=1e-5)


def test_effective_se_is_one_linear_layer():
    se, x_NCHW = block("avg:ese:hard_sigmoid"), image(4, 5)
    s_NC = torch.einsum("dc,nc->nd", se.fc.weight, x_NCHW.mean((2, 3))) + se.fc.bias
    torch.testing.assert_close(se(x_NCHW), x_NCHW * functional.hardsigmoid(s_NC)[:, :, None, None])


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("avg:ese:hard_sigmoid", "EffectiveSEModule(6)"),
        ("coord:axes3:sigmoid", "coord_attn.CoordAttn(6, rd_channels=3, bias=True)"),
        ("spatial:conv7:sigmoid", "cbam.SpatialAttn(7)"),
    ],
)
def test_timms_layer_with_the_same_weights_computes_the_same(text, theirs):
    layers = pytest.importorskip("timm.layers")
    ours, other = block(text), eval(f"layers.{theirs}", {"layers": layers}).eval()
    weights = zip(other.state_dict().values(), ours.state_dict().values(), strict=True)
    for mine, given in weights:
        mine.copy_(given.reshape(mine.shape))
    torch.testing.assert_close(ours(image(4, 5)), other(image(4, 5)))


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        ("avg:ese:sigmoid", 10 * 10 + 10, 100),
        ("coord:axes2:sigmoid", (10 * 2 + 2) + (2 + 2) + 2 * (2 * 10 + 10), 2 * 10 * 2 * (3 + 4)),
        ("spatial:conv7:sigmoid", 2 * 49 + 2, 2 * 49 * 12),
        ("simam:none:sigmoid", 0, 0),
    ],
)
def test_the_costs_on_ten_channels_of_three_by_four_places(text, params, macs):
    cost = se_cost(10, (3, 4), SE.parse(f"{text}@output"))
    assert cost == {"params": params, "macs": macs, "macs_paper": macs + 2 * 10 * 12}


@pytest.mark.parametrize(("squeeze", "excitation"), [*operators(), ("avg", "ese")])
def test_its_source_computes_the_same(squeeze, excitation):
    se = block(f"{squeeze}:{excitation}:sigmoid")
    names = {"torch": torch, "nn": nn, "F": functional}
    exec(source(se), names)
    other = names["Network"]().eval()
    other.load_state_dict(se.state_dict())
    assert torch.equal(other(image(4, 5)), se(image(4, 5)))


@pytest.mark.parametrize(("squeeze", "excitation"), [*operators(1), ("avg", "ese")])
def test_signals_are_searched_with_all_but_coordinates(squeeze, excitation):
    architecture = place("signal_resnet8", sites("signal_resnet8"), "all")
    blocks = tuple(se and SE.parse(f"{squeeze}:{excitation}:sigmoid@{se.position}") for se in architecture.blocks)
    architecture = Architecture("signal_resnet8", blocks)
    network = build(architecture, in_channels=1, num_classes=4)
    price = price_list("signal_resnet8", in_channels=1, num_classes=4, image_size=64).of(architecture)
    counted = count(network, (1, 64))
    assert {name: price[name] for name in counted} == counted
    assert network(torch.randn(2, 1, 64)).isfinite().all()


def test_coordinates_of_signals_are_refused_with_a_reason():
    architecture = place("signal_resnet8", sites("signal_resnet8"), "all", {"operators": "coord"})
    with pytest.raises(UserError, match="needs at least 2 spatial dimensions") as caught:
        price_list("signal_resnet8", in_channels=1, image_size=64).of(architecture)
    assert caught.value.key == "space.operators"
    with pytest.raises(UserError, match="needs at least 2 spatial dimensions"):
        build(architecture)


def test_every_form_of_an_export_computes_them(tmp_path):
    fields = ["coord:axes4", "spatial:conv7", "simam:none", "avg:ese", "coord:axes2", "max:none"]
    positions = ["pre_addition", "post_addition", "identity", "mid", "pre_unit", "identity"]
    pairs = zip(fields, positions, strict=True)
    architecture = "/".join(["cifar_resnet14", *(f"{field}:hard_sigmoid@{position}" for field, position in pairs)])
    network = build(architecture, in_channels=1, num_classes=3)
    for n in (16, 16):  # statistics of the norms move
        network(torch.randn(n, 1, 16, 16, generator=torch.Generator().manual_seed(n)))
    data = {"mean": [0.3], "std": [0.2], "classes": ["zero", "one", "two"]}
    exported = export(network, architecture, tmp_path / "net", input_shape=(1, 16, 16), **data, forms=CODE)
    assert exported.differences["model.py"] == 0
    assert exported.differences["model.onnx"] < 1e-4


def test_what_learns_nothing_cannot_start_as_the_identity():
    space = Space("cifar_resnet8", sites("cifar_resnet8"), SpaceSpec(operators=("se", "simam"), gate=("sigmoid2",)))
    with pytest.raises(UserError, match="simam:none cannot start as the identity") as caught:
        warm_start.check(space, "identity", (3, 16, 16), 10)
    assert caught.value.key == "space.operators"


def test_initial_weights_follow_from_the_block_alone():
    made = [
        SqueezeExcitation(CHANNELS, SE.parse(f"{pair}:sigmoid@output")) for pair in ("coord:axes3", "spatial:conv7")
    ]
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(drawn))
        for se in made:
            initialise(se, seed, "layer1.0.output")
        drawn.append(torch.cat([made[0].reduce.weight.flatten(), made[1].conv.weight.flatten()]).clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_space_holds_each_operator_once_whatever_else_is_searched():
    listed = sites("cifar_resnet8")
    spec = SpaceSpec(stages=(3,), position=("pre_addition",), operators=("se", "coord", "simam", "spatial", "ese"))
    members = list(Space("cifar_resnet8", listed, spec))
    last = [str(member.blocks[-1]) for member in members if member.blocks[-1]]
    assert sorted(last) == [
        "avg:ese:sigmoid@pre_addition",
        *(f"avg:fc{h}:sigmoid@pre_addition" for h in (16, 4)),
        *(f"coord:axes{h}:sigmoid@pre_addition" for h in (16, 4)),
        *(f"max:fc{h}:sigmoid@pre_addition" for h in (16, 4)),
        "simam:none:sigmoid@pre_addition",
        "spatial:conv7:sigmoid@pre_addition",
    ]
    assert {label(member, listed) for member in members} >= {
        "stage 3: coord r=16 pre_addition",
        "stage 3: simam pre_addition",
        "stage 3: spatial conv7 pre_addition",
        "stage 3: avg ese pre_addition",
    }
