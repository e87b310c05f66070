import pytest
import torch
import torchvision

from senet_nas import backbones
from senet_nas.backbones import BACKBONES
from senet_nas.build import build, skeleton, units
from senet_nas.squeeze_excitation import Slot
from spaces import Architecture, UserError

NAMES = backbones.names()
TORCHVISION = [name for name, row in BACKBONES.items() if row.file == "resnet"]
POSITIONS = {"pre_addition", "post_addition", "pre_unit", "identity", "mid"}
# Units without an addition.
OFFERED = {"bn_inception": {"output"}, "inception_v4": {"output"}, "mobilenet_v1": {"mid", "output"}}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_network_with_slots(name: str) -> None:
    network = skeleton(backbones.check(name), in_channels=2, num_classes=7)
    assert network.eval()(torch.empty(2, 2, 96, 96, device="meta")).shape == (2, 7)
    offered = OFFERED.get(name, POSITIONS)
    for _, _, unit in units(network):
        assert {child for child, slot in unit.named_children() if isinstance(slot, Slot)} == offered
    assert not [key for key in network.state_dict() for position in offered if position in key]


def test_every_row_is_listed() -> None:
    assert all(row.examples or name in NAMES for name, row in BACKBONES.items())
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_is_that_of_torchvision(name: str) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name).state_dict()
    ours = skeleton(name, in_channels=3, num_classes=1000).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_plain_network_computes_what_torchvision_computes(name: str) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, num_classes=10).eval()
    ours = build(Architecture.plain(name, 8 if name == "resnet18" else 16), num_classes=10).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x_NCHW = torch.randn(2, 3, 64, 64)
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
        ("resnet51", "unknown backbone `resnet51`; allowed: cifar_resnet8", "did you mean `resnet50`?"),
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
        ("", "unknown backbone ``", ""),
    ],
)
def test_a_wrong_name_says_what_is_right(name: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        backbones.check(name)
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
    assert backbones.check(name) == name
