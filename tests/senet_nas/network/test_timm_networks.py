"""Networks of timm by name: made, searched and refused like others, and equal to timm's own with SE."""

import builtins

import pytest
import torch
from torch import nn

from senet_nas.network.backbones import timm_networks
from senet_nas.network.build import build, sites
from spaces import SE, Architecture, UserError
from tests.senet_nas.network.test_published import theirs

timm = pytest.importorskip("timm")


@pytest.mark.parametrize(
    ("plain", "with_se", "arguments", "child", "position"),
    [
        ("resnet50", "seresnet50", {}, "se", "pre_addition"),
        ("resnext26ts", "seresnext26ts", {}, "attn", "mid"),
        ("regnetx_002", "regnetx_002", {"se_ratio": 0.25}, "se", "mid"),  # RegNet-Y is RegNet-X with SE
    ],
)
def test_se_put_into_a_network_of_timm_equals_timms_own_network_with_se(plain, with_se, arguments, child, position):
    network = theirs(with_se, **arguments)
    widths = [module.fc1.out_channels for path, module in network.named_modules() if path.endswith(f".{child}")]
    blocks = tuple(SE("avg", "fc", width, "sigmoid", position) for width in widths)
    ours = build(Architecture(f"timm:{plain}", blocks), num_classes=10)
    mine = ours.state_dict()
    given = {key.replace(f".{child}.", f".{position}."): value for key, value in network.state_dict().items()}
    ours.load_state_dict({key: value.reshape(mine[key].shape) for key, value in given.items()}, strict=True)
    x_NCHW = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = network(x_NCHW), ours.eval()(x_NCHW)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_channels_and_classes_are_passed_and_weights_follow_from_the_block():
    plain = Architecture.plain("timm:resnet10t", len(sites("timm:resnet10t")))
    one, again, other = (build(plain, in_channels=1, num_classes=7, block_seed=seed) for seed in (1, 1, 2))
    assert one.eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 7)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(one.fc.weight, other.fc.weight)


def test_a_name_that_timm_lacks_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="unknown network of timm `resent18`") as caught:
        timm_networks.maker("timm:resent18")
    assert caught.value.hint == "did you mean `resnet18`?"
    assert caught.value.key == "model.backbone"


def test_without_timm_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name == "timm":
            raise ImportError("No module named 'timm'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match="timm is not installed") as caught:
        timm_networks.names("*")
    assert caught.value.hint == "pip install 'senet-search[timm]'"


def test_names_are_those_that_a_config_takes():
    assert "timm:resnet50" in timm_networks.names("resnet5*")
    assert isinstance(timm_networks.maker("timm:resnet10t")(1, 2), nn.Module)
