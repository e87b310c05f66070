from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from senet_nas.export.source import source
from senet_nas.network.backbones.table import names
from senet_nas.network.build import build, skeleton
from senet_nas.network.squeeze_excitation import WithOutput
from tests.senet_nas.covering import covering


def written(network: nn.Module) -> nn.Module:
    """The network that its source defines."""
    namespace = {"torch": torch, "nn": nn, "F": F, "OrderedDict": OrderedDict, "__name__": "written"}
    exec(compile(source(network), "written", "exec"), namespace)
    return namespace["Network"]()


def layers(network: nn.Module) -> list[str]:
    """Every layer of torch.nn with all its settings, also those that its repr leaves out."""
    kinds = ((type(m).__mro__[2] if isinstance(m, WithOutput) else type(m), m) for m in network.modules())
    return [
        f"{kind.__name__}({module.extra_repr()}) {settings(module)}"
        for kind, module in kinds
        if kind.__module__.startswith("torch.nn") and kind is not nn.Sequential
    ]


def settings(module: nn.Module) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if isinstance(value, bool | int | float | str | tuple)}


@pytest.mark.parametrize(
    "backbone",
    [
        "cifar_resnet110",
        "resnet18",
        "resnet50",
        "cifar_preact_resnet20",
        "bn_inception",
        "densenet121",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "shufflenet_v2_x1_0",
        "regnet_y_400mf",
        "convnext_tiny",
    ],
)
def test_source_computes_the_same_to_the_last_bit(backbone: str) -> None:
    network = build(covering(backbone)[0], num_classes=6).train()  # untrained and in eval mode, it grows past 32 bits
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    other = written(network).train()
    other.load_state_dict(network.state_dict(), strict=True)
    x_NCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(other(x_NCHW), network(x_NCHW))


@pytest.mark.parametrize("backbone", names())
def test_every_backbone_has_a_source(backbone: str) -> None:
    network = skeleton(backbone, in_channels=1, num_classes=5)
    with torch.device("meta"):
        other = written(network)
    assert list(other.state_dict()) == list(network.state_dict())
    assert layers(other) == layers(network)


def test_source_is_short_and_knows_nothing_of_this_project() -> None:
    text = source(build("cifar_resnet20/" + "/".join(["avg:fc4:sigmoid@pre_addition", "-", "-"] * 3)))
    assert text.count("class Layer1Unit1(") == 1
    assert "class Layer1Unit2(" not in text
    assert text.count("class Gate(") == 1
    assert not [word for word in ("import", "senet_nas", "torchvision", "Slot", "post_addition") if word in text]
    assert max(map(len, text.splitlines())) <= 120


def test_buffers_are_written_unless_the_state_dict_lacks_their_values() -> None:
    network = build("cifar_resnet8/-/-/-")
    network.register_buffer("temperature", torch.ones(1))
    assert 'self.register_buffer("temperature", torch.empty(1, dtype=torch.float32))' in source(network)
    network.register_buffer("hidden", torch.ones(1), persistent=False)
    with pytest.raises(AssertionError, match="not in the state dict"):
        source(network)


class Listed(nn.Module):
    """Layers in a list and in a dict, and a child whose name is a number."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(2))
        self.named = nn.ModuleDict({"a": nn.Conv2d(4, 4, 1)})
        self.add_module("0", nn.Conv2d(4, 4, 1))

    def forward(self, x):
        for conv in self.convs:
            x = conv(x)
        return self.named["a"](x) + self.get_submodule("0")(x)


class Active(nn.BatchNorm2d):
    """A norm with its activation, as timm's BatchNormAct2d."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3)
        self.drop = nn.Identity()
        self.act = nn.SiLU()

    def forward(self, x):
        torch._assert(x.ndim == 4, f"expected four dimensions, got {x.ndim}")
        y = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )
        return self.act(self.drop(y))


class Optional(nn.Module):
    """A head with an argument that nobody gives, and a check of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x, pre_logits: bool = False, mask=None):
        torch._assert(x.shape[1] == 4, "expected 4 channels")
        x = x.mean((2, 3))
        if mask is not None:
            x = x * mask
        return x if pre_logits else self.fc(x)


class Added(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.conv(x)
        y += x
        return y


@pytest.mark.parametrize("part", [Listed, lambda: Active(4), Added])
def test_source_of_what_networks_of_others_hold(part) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), part(), Optional())
    other = written(network)
    other.load_state_dict(network.state_dict(), strict=True)
    x_NCHW = torch.randn(5, 3, 6, 6)
    for is_training in (True, False):  # a norm takes part in training, too
        with torch.no_grad():
            assert torch.equal(other.train(is_training)(x_NCHW), network.train(is_training)(x_NCHW))
    assert list(other.state_dict()) == list(network.state_dict())
