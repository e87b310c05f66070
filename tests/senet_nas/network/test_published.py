"""Our networks against others: figures that are published, and timm's networks with the same weights."""

import pytest
import torch
from torch import nn

from senet_nas.costs.overhead import price_list
from senet_nas.network.build import build, sites
from spaces import Architecture
from tests.senet_nas.covering import spelt


def everywhere(backbone: str, position: str, *, bias: bool = True) -> Architecture:
    """SE as in the paper, r = 16, in every unit."""
    blocks = (
        spelt("avg", f"fc{site.channels[position] // 16}{'' if bias else 'nb'}", "sigmoid", position)
        for site in sites(backbone)
    )
    return Architecture(backbone, tuple(blocks))


# Backbone, position, side of the image, classes; params plain and with SE; millions of MACs plain and, counted as Hu
# et al. do, with SE. Sources: their Caffe definitions (ResNets, BN-Inception, SENet-154: released with biases in SE),
# tables 2, 3 and 8; counts for CIFAR are ours, the paper has none. docs/published.md sets them beside the paper's.
PUBLISHED = [
    ("resnet50_v1", "pre_addition", 224, 1000, 25_557_032, 28_088_024, 3_858.0, 3_871.5),
    ("resnet101_v1", "pre_addition", 224, 1000, 44_549_160, 49_326_872, 7_570.2, 7_592.8),
    ("resnet152_v1", "pre_addition", 224, 1000, 60_192_808, 66_821_848, 11_282.4, 11_315.3),
    ("resnext50_32x4d", "pre_addition", 224, 1000, 25_028_904, 27_559_896, 4_230.5, 4_244.0),
    ("senet154_plain", "pre_addition", 224, 1000, 108_459_944, 115_088_984, 20_681.8, 20_714.7),
    ("senet154_plain", "pre_addition", 320, 1000, 108_459_944, 115_088_984, 42_205.6, 42_265.8),
    ("bn_inception", "output", 224, 1000, 11_285_224, 11_931_622, 2_032.6, 2_035.6),
    ("cifar_preact_resnet110", "pre_addition", 32, 10, 1_730_522, 1_744_760, 253.1, 254.2),
    ("cifar_preact_resnet110", "pre_addition", 32, 100, 1_736_372, 1_750_610, 253.2, 254.2),
    ("cifar_preact_resnet164", "pre_addition", 32, 10, 1_703_258, 1_905_362, 247.6, 252.0),
    ("cifar_preact_resnet164", "pre_addition", 32, 100, 1_726_388, 1_928_492, 247.7, 252.0),
    ("cifar_wrn16_8", "pre_addition", 32, 10, 10_961_370, 11_049_290, 1_548.1, 1_549.1),
    ("cifar_wrn16_8", "pre_addition", 32, 100, 11_007_540, 11_095_460, 1_548.2, 1_549.2),
]


@pytest.mark.parametrize(("backbone", "position", "size", "classes", "plain", "with_se", "macs", "macs_se"), PUBLISHED)
def test_parameters_and_macs_are_the_published_ones(
    backbone: str, position: str, size: int, classes: int, plain: int, with_se: int, macs: float, macs_se: float
) -> None:
    prices = price_list(backbone, num_classes=classes, image_size=size)
    cost = prices.of(everywhere(backbone, position))
    assert (prices.plain["params"], cost["params"]) == (plain, with_se)
    assert (round(prices.plain["macs"] / 1e6, 1), round(cost["macs_paper"] / 1e6, 1)) == (macs, macs_se)


# SE without biases, as in the paper's ablations; where the paper says no more, the placement is the one that fits.
@pytest.mark.parametrize(
    ("backbone", "position", "plain", "with_se"),
    [
        ("resnet50_v1", "pre_addition", 25_557_032, 28_071_976),
        ("resnet50_v1", "pre_unit", 25_557_032, 27_548_200),
        ("resnet50_v1", "mid", 25_557_032, 25_714_216),
        ("mobilenet_v1", "output", 4_231_976, 4_711_720),
        ("mobilenet_v1", "mid", 4_231_976, 4_580_776),
        ("inception_resnet_v2", "pre_addition", 55_843_464, 64_338_824),
    ],
)
def test_parameters_of_se_without_biases(backbone: str, position: str, plain: int, with_se: int) -> None:
    prices = price_list(backbone, image_size=96)
    assert prices.plain["params"] == plain
    assert prices.of(everywhere(backbone, position, bias=False))["params"] == with_se


def theirs(name: str, **arguments: object) -> nn.Module:
    """timm's network, its weights at random, those of BatchNorm and its statistics too."""
    import timm

    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=10, **arguments).eval()
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        for value in (norm.weight.data, norm.running_var):
            value.uniform_(0.5, 1.5)
        for value in (norm.bias.data, norm.running_mean):
            value.uniform_(-0.2, 0.2)
    return network


def take_weights(ours: nn.Module, network: nn.Module) -> None:
    """By order, for both define their layers in the order of the data; a 1x1 convolution is a linear layer."""
    given = [value for value in network.state_dict().values() if value.ndim]
    own = {key: value for key, value in ours.state_dict().items() if value.ndim}
    assert [value.numel() for value in own.values()] == [value.numel() for value in given]
    pairs = zip(own.items(), given, strict=True)
    state = {key: value.reshape(mine.shape) for (key, mine), value in pairs}
    assert not ours.load_state_dict(state, strict=False).unexpected_keys


def take_legacy_weights(ours: nn.Module, network: nn.Module) -> None:
    """By name, but for the stem, which is by order."""
    own, given = ours.state_dict(), network.state_dict()
    n_stem = sum(key.startswith("layer0.") for key in given)
    renamed = (key.replace("se_module", "pre_addition").replace("last_linear", "fc") for key in given)
    keys = [*list(own)[:n_stem], *list(renamed)[n_stem:]]
    state = {key: value.reshape(own[key].shape) for key, value in zip(keys, given.values(), strict=True)}
    ours.load_state_dict(state, strict=True)


def assert_same_outputs(ours: nn.Module, network: nn.Module, size: int) -> None:
    x_NCHW = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = network(x_NCHW), ours.eval()(x_NCHW)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("legacy_seresnet50", "resnet50_v1"),
        ("legacy_seresnext50_32x4d", "resnext50_32x4d"),
        ("legacy_senet154", "senet154_plain"),
    ],
)
def test_se_networks_compute_what_timm_computes(name: str, backbone: str) -> None:
    pytest.importorskip("timm")
    ours, network = build(everywhere(backbone, "pre_addition"), num_classes=10), theirs(name)
    if backbone == "resnext50_32x4d":  # torchvision's pooling pads, Caffe's does not
        ours.maxpool = network.pool0
    take_legacy_weights(ours, network)
    assert_same_outputs(ours, network, 64)


@pytest.mark.parametrize(
    ("name", "backbone", "size"),
    [
        ("inception_v4", "inception_v4", 96),
        ("inception_resnet_v2", "inception_resnet_v2", 96),
        ("mobilenetv1_100", "mobilenet_v1", 64),
    ],
)
def test_plain_networks_compute_what_timm_computes(name: str, backbone: str, size: int) -> None:
    pytest.importorskip("timm")
    ours, network = build(Architecture.plain(backbone, len(sites(backbone))), num_classes=10), theirs(name)
    take_weights(ours, network)
    assert_same_outputs(ours, network, size)
