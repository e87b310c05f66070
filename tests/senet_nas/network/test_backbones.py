from typing import get_args

import pytest
import torch
import torchvision
from torch import nn

from senet_nas.costs.overhead import made_for
from senet_nas.network.backbones import stock
from senet_nas.network.backbones.table import BACKBONES, check, names
from senet_nas.network.build import build, sites, skeleton, units
from senet_nas.network.squeeze_excitation import Slot
from spaces import UserError
from spaces.spec import Position

NAMES = names()
TORCHVISION = [name for name in NAMES if name in torchvision.models.list_models(module=torchvision.models)]
SAMPLE = (
    "resnet18",
    "resnext50_32x4d",
    "inception_v3",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "shufflenet_v2_x1_0",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "convnext_tiny",
)
slow = pytest.mark.slow
POSITIONS = set(get_args(Position))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_network_with_slots(name: str) -> None:
    network = skeleton(check(name), in_channels=2, num_classes=7)
    x = torch.empty(2, 2, *[96] * made_for(network), device="meta")
    assert network.eval()(x).shape == (2, 7)
    for _, _, unit in units(network):
        assert POSITIONS >= {child for child, slot in unit.named_children() if isinstance(slot, Slot)} > set()
    assert not [key for key in network.state_dict() for position in POSITIONS if position in key.split(".")]


def test_every_row_is_listed() -> None:
    assert all(row.examples or name in NAMES for name, row in BACKBONES.items())
    assert len(set(NAMES)) == len(NAMES)


def torchvisions(name: str) -> nn.Module:
    """torchvision's model for 10 classes without its own SE, weights drawn quickly: its own start takes seconds."""
    extra = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
    on_meta = not name.startswith("regnet")  # its widths are computed with tensors
    with torch.device("meta" if on_meta else "cpu"):
        model = torchvision.models.get_model(name, num_classes=10, **extra)
    for path, child in list(model.named_modules()):
        if isinstance(child, torchvision.ops.SqueezeExcitation):
            model.set_submodule(path, nn.Identity())
    model.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            low = 1.0 if key.endswith("running_var") else -0.1
            value.uniform_(low, low + 0.2, generator=generator)
    return model


@pytest.mark.parametrize("name", [name if name in SAMPLE else pytest.param(name, marks=slow) for name in TORCHVISION])
def test_plain_network_loads_the_weights_of_torchvision_and_computes_the_same(name: str) -> None:
    theirs = torchvisions(name)
    ours = skeleton(name, in_channels=3, num_classes=10).to_empty(device="cpu").eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x_NCHW = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(x_NCHW), theirs(x_NCHW))


# Table 6 of the paper, rounded there: 0.27, 0.85 and 1.7 million, in a network for CIFAR-10.
@pytest.mark.parametrize(
    ("name", "params"), [("cifar_resnet20", 269_722), ("cifar_resnet56", 853_018), ("cifar_resnet110", 1_727_962)]
)
def test_small_image_networks_have_the_size_of_the_paper(name: str, params: int) -> None:
    network = skeleton(name, in_channels=3, num_classes=10)
    assert sum(p.numel() for p in network.parameters()) == params


def test_width_is_that_of_the_first_stage() -> None:
    network = skeleton("cifar_resnet8_w24", in_channels=3, num_classes=10)
    assert [unit.conv2.out_channels for _, _, unit in units(network)] == [24, 48, 96]


def test_shortcut_of_small_image_networks_strides_and_pads_with_zeros() -> None:
    shortcut = build("cifar_resnet8/-/-/-").layer2[0].downsample
    x_NCHW = torch.randn(2, 16, 5, 5)
    y_NCHW = shortcut(x_NCHW)
    assert torch.equal(y_NCHW[:, :16], x_NCHW[:, :, ::2, ::2])
    assert y_NCHW.shape == (2, 32, 3, 3)
    assert not y_NCHW[:, 16:].any()


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("resnet51", "unknown backbone `resnet51`; allowed: resnet50", "did you mean `resnet50`?"),
        ("cifar_resnet21", "depth D = 6n + 2 from 8 to 1202", "did you mean `cifar_resnet20`?"),
        ("cifar_resnet2", "depth D = 6n + 2", "did you mean `cifar_resnet8`?"),
        ("cifar_resnet20_w16", "W = 16 is not written", "did you mean `cifar_resnet20`?"),
        ("cifar_resnet020", "no member of its family", "did you mean `cifar_resnet20`?"),
        ("cifar_resnet600002", "from 8 to 1202", "did you mean `cifar_resnet1202`?"),
        ("cifar_resnet20_w99999", "from 1 to 1024", "did you mean `cifar_resnet20_w1024`?"),
        ("cifar_resnet20_w0", "from 1 to 1024", "did you mean `cifar_resnet20_w1`?"),
        ("cifar_resnet20_32", "unknown backbone", "did you mean `cifar_resnet20_w32`?"),
        ("cifar_preact_resnet111", "depth D = 6n + 2", "did you mean `cifar_preact_resnet110`?"),
        ("cifar_preact_resnet170", "D = 9n + 2 of bottlenecks", "did you mean `cifar_preact_resnet173`?"),
        ("cifar_preact_resnet162", "D = 9n + 2 of bottlenecks", "did you mean `cifar_preact_resnet164`?"),
        ("cifar_wrn28_100", "K from 1 to 64", "did you mean `cifar_wrn28_64`?"),
        ("cifar_wrn17_8", "depth D = 6n + 4", "did you mean `cifar_wrn16_8`?"),
        ("signal_resnet21", "depth D = 6n + 2", "did you mean `signal_resnet20`?"),
        ("", "unknown backbone ``", ""),
    ],
)
def test_a_wrong_name_says_what_is_right(name: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        check(name)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.key == "model.backbone"


@pytest.mark.parametrize(
    "name",
    [
        "cifar_resnet8_w1",
        "cifar_resnet26",
        "cifar_resnet1202",
        "cifar_resnet14_w1024",
        "cifar_preact_resnet1001",
        "cifar_preact_resnet158",
        "cifar_wrn40_4",
    ],
)
def test_members_of_a_family_need_not_be_listed(name: str) -> None:
    assert check(name) == name


@pytest.mark.parametrize(
    ("name", "positions"),
    [
        ("bn_inception", {"output"}),
        ("inception_v4", {"output"}),
        ("mobilenet_v1", {"mid", "output"}),
        ("resnet50_v1", {"pre_addition", "post_addition", "pre_unit", "identity", "mid"}),
        ("vgg16_bn", {"output"}),
        ("densenet121", {"output"}),
        ("inception_v3", {"output"}),
        ("shufflenet_v2_x1_0", {"output"}),
        ("mobilenet_v2", {"mid", "output"}),
        ("regnet_y_400mf", {"pre_addition", "post_addition", "pre_unit", "identity", "mid"}),
        ("convnext_tiny", {"pre_addition", "post_addition", "pre_unit", "identity"}),
    ],
)
def test_first_unit_offers(name: str, positions: set[str]) -> None:
    assert set(sites(name)[0].channels) == positions


@pytest.mark.parametrize(
    ("name", "per_stage"),
    [
        ("vgg16_bn", (2, 2, 3, 3, 3)),
        ("densenet121", (6, 12, 24, 16)),
        ("inception_v3", (3, 5, 3)),
        ("convnext_tiny", (3, 3, 9, 3)),
        ("mobilenet_v2", (1, 2, 3, 4, 3, 3, 1)),
        ("mobilenet_v3_large", (1, 2, 3, 4, 2, 3)),
        ("efficientnet_b0", (1, 2, 2, 3, 3, 4, 1)),
    ],
)
def test_stages_hold(name: str, per_stage: tuple[int, ...]) -> None:
    stages = [site.stage for site in sites(name)]
    assert tuple(stages.count(stage) for stage in range(1, max(stages) + 1)) == per_stage


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0"])
@pytest.mark.parametrize("position", ["pre_addition", "post_addition", "pre_unit", "identity"])
def test_positions_of_an_inverted_residual_are_their_equations(name: str, position: str) -> None:
    fields = [f"avg:fc4:sigmoid@{position}" if position in site.channels else "-" for site in sites(name)]
    network = build("/".join([name, *fields])).eval()
    unit = next(unit for _, _, unit in units(network) if getattr(unit, "use_res_connect", False))
    x_NCHW, se, f = torch.randn(2, unit.identity.channels, 6, 6), getattr(unit, position), unit.residual
    with torch.inference_mode():
        expected = {
            "pre_addition": lambda: x_NCHW + se(f(x_NCHW)),
            "post_addition": lambda: se(x_NCHW + f(x_NCHW)),
            "pre_unit": lambda: x_NCHW + f(se(x_NCHW)),
            "identity": lambda: se(x_NCHW) + f(x_NCHW),
        }[position]()
        torch.testing.assert_close(unit(x_NCHW), expected)


def test_stochastic_depth_keeps_or_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop, x_NCHW = stock.StochasticDepth(0.5), torch.ones(64, 2, 3, 3)
    assert set(drop(x_NCHW).flatten(1).unique(dim=1).unique().tolist()) == {0.0, 2.0}
    assert 16 < drop(x_NCHW)[:, 0, 0, 0].count_nonzero() < 48
    assert torch.equal(drop.eval()(x_NCHW), x_NCHW)
