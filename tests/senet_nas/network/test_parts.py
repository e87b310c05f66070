"""Which layer is the classifier, and which parts of a network are new in a fine-tuning."""

import pytest
import torch
from torch import nn

from senet_nas.network import parts
from senet_nas.network.backbones import table
from senet_nas.network.build import build, skeleton
from senet_nas.network.shared_network import build_shared
from spaces import Architecture

# The last layer with weights that runs, of one network of each file of backbones.
CLASSIFIERS = {
    "cifar_resnet8": "fc",
    "cifar_preact_resnet20": "fc",
    "signal_resnet8": "fc",
    "resnet18": "fc",
    "resnet50_v1": "fc",
    "senet154_plain": "fc",
    "bn_inception": "fc",
    "inception_v4": "fc",
    "inception_resnet_v2": "fc",
    "mobilenet_v1": "fc",
    "inception_v3": "fc",
    "vgg11_bn": "classifier.6",
    "densenet121": "classifier",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3_small": "classifier.3",
    "shufflenet_v2_x1_0": "fc",
    "regnet_x_400mf": "fc",
    "convnext_tiny": "classifier.2",
}


def image_of(backbone: str) -> tuple[int, ...]:
    usual = table.usual(backbone)
    return (usual.channels, *[usual.side] * (1 if backbone.startswith("signal") else 2))


def test_every_file_of_backbones_is_there():
    files = {backbone.file for backbone in table.BACKBONES.values()}
    assert {table._resolve(name)[0].file for name in CLASSIFIERS} == files


@pytest.mark.parametrize("backbone", CLASSIFIERS)
def test_the_classifier_is_the_last_layer_that_runs(backbone):
    image = image_of(backbone)
    network = skeleton(backbone, image[0], 7)
    found = parts.classifier(network, image)
    assert found == CLASSIFIERS[backbone]
    assert network.get_submodule(found).out_features == 7


class Odd(nn.Module):
    """Its classifier is registered first, is a convolution, or has no weights of its own."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        if kind == "convolution":
            self.head = nn.Conv2d(4, 10, 1)
        elif kind == "first":
            self.head = nn.Linear(4, 10)
        self.stem = nn.Conv2d(1, 4, 3)
        self.hidden = nn.Linear(4, 4)
        self.kind = kind

    def forward(self, x):
        x = self.stem(x)
        if self.kind == "convolution":
            return self.head(x).mean((2, 3))
        x = self.hidden(x.mean((2, 3)))
        if self.kind == "values":
            x = x * float(x.sum() > 0)
        return self.head(x) if self.kind == "first" else x


@pytest.mark.parametrize(
    ("kind", "path"), [("convolution", "head"), ("first", "head"), ("none", "hidden"), ("values", "hidden")]
)
def test_an_odd_network(kind, path):
    assert parts.classifier(Odd(kind), (1, 8, 8)) == path


def test_a_network_without_weights_has_no_classifier():
    assert parts.classifier(nn.Flatten(), (1, 2, 2)) == ""
    assert parts.new_parameters(nn.Flatten(), (1, 2, 2)) == []


def test_se_at_the_end_is_no_classifier_and_is_new():
    network = build("cifar_resnet8/-/-/avg:fc4:sigmoid@post_addition", in_channels=1, num_classes=10)
    assert parts.classifier(network, (1, 8, 8)) == "fc"
    new = {id(parameter) for parameter in parts.new_parameters(network, (1, 8, 8))}
    names = {name for name, parameter in network.named_parameters() if id(parameter) in new}
    assert names == {"fc.weight", "fc.bias", *(n for n, _ in network.named_parameters() if ".post_addition." in n)}
    assert len(names) == 6


def test_a_weight_that_the_classifier_shares_is_new():
    network = Odd("first")
    network.head.weight = nn.Parameter(torch.zeros(4, 4))
    network.hidden.weight = network.head.weight
    assert any(parameter is network.hidden.weight for parameter in parts.new_parameters(network, (1, 8, 8)))


def test_all_blocks_of_a_shared_network_are_new():
    paths = [Architecture.parse(f"cifar_resnet8/{se}/-/-") for se in ("avg:fc4:sigmoid@mid", "max:fc2:tanh@pre_unit")]
    shared = build_shared(paths, in_channels=1, num_classes=10)
    assert parts.classifier(shared, (1, 8, 8)) == "network.fc"
    new = {id(parameter) for parameter in parts.new_parameters(shared, (1, 8, 8))}
    assert {id(parameter) for parameter in shared.blocks.parameters()} < new
    assert len(parts.backbone_norms(shared)) == len(parts.norms(shared)) == 7
