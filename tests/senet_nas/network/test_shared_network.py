"""One network for a whole space: each path is the architecture's own network, bit for bit, for every operator."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from senet_nas.network import warm_start
from senet_nas.network.backbones.table import names
from senet_nas.network.build import build, sites
from senet_nas.network.shared_network import SharedNetwork, build_shared
from spaces import Architecture
from tests.senet_nas.covering import covering, spelt
from tests.senet_nas.network.test_contract import BACKBONES

CLASSES = 5
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in names() if name not in BACKBONES]
Gradients = dict[str, torch.Tensor | None]


def gradients(network: nn.Module, x: torch.Tensor) -> Gradients:
    torch.manual_seed(0)  # dropout
    F.cross_entropy(network.train()(x), torch.arange(len(x)) % CLASSES).backward()
    return {name: p.grad for name, p in network.named_parameters()}


def of_path(shared: SharedNetwork, path: Architecture, x: torch.Tensor) -> tuple[Gradients, Gradients]:
    """Gradients by the names of the path's own network, and those of everything else in the shared network."""
    alone = copy.deepcopy(shared)
    alone._architectures = (path,)
    found = gradients(alone, x)
    here = {f"blocks.{name}.": f"{at}." for name, at, se in shared.placed() if se in path.blocks and on(path, at, se)}
    own: Gradients = {}
    for name in list(found):
        prefix = next((start for start in here if name.startswith(start)), "")
        if prefix:
            own[here[prefix] + name.removeprefix(prefix)] = found.pop(name)
        elif name.startswith("network."):
            own[name.removeprefix("network.")] = found.pop(name)
    return own, found


def on(path: Architecture, at: str, se: object) -> bool:
    """Whether the network of the path has this SE at this place."""
    network = build(path, num_classes=CLASSES)
    return getattr(dict(network.named_modules()).get(at), "se", None) == se


@pytest.mark.parametrize("backbone", [*BACKBONES, *OTHERS])
def test_a_path_is_the_network_of_its_own(backbone: str) -> None:
    architectures = covering(backbone)
    side = 32 if backbone in BACKBONES else 96
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    shared = build_shared(architectures, num_classes=CLASSES, block_seed=3)
    path = architectures[-1]
    expected = gradients(build(path, num_classes=CLASSES, block_seed=3), x)
    own, others = of_path(shared, path, x)
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], gradient) for name, gradient in expected.items() if gradient is not None)
    assert others
    assert not any(gradient is not None for gradient in others.values())


def test_every_operator_is_on_some_path() -> None:
    architectures = covering("cifar_resnet8")
    shared = build_shared(architectures, in_channels=1, num_classes=CLASSES).eval()
    x = torch.randn(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    for path in architectures:
        shared.path = path
        with torch.no_grad():
            assert torch.equal(shared(x), build(path, in_channels=1, num_classes=CLASSES).eval()(x))


def test_a_pass_leaves_the_state_as_it_was() -> None:
    architectures = covering("cifar_resnet8")
    shared = build_shared(architectures, in_channels=1, num_classes=CLASSES).train()
    names_before = list(shared.state_dict())
    with pytest.raises(RuntimeError):
        shared(torch.zeros(2, 3, 12, 12))  # fails within the network
    shared(torch.zeros(2, 1, 12, 12))
    assert list(shared.state_dict()) == names_before
    assert len(list(shared.parameters())) == len(set(shared.parameters()))


def test_paths_follow_from_the_seed_and_all_occur() -> None:
    architectures = covering("cifar_resnet8")
    shared = build_shared(architectures, in_channels=1, num_classes=CLASSES).train()

    def paths(seed: int) -> list[str]:
        shared.seed_paths(seed)
        found = []
        for _ in range(8 * len(architectures)):
            shared(torch.zeros(2, 1, 8, 8))
            found.append(shared.path.key)
        return found

    first = paths(1)
    assert first == paths(1) != paths(2)
    assert set(first) == {architecture.key for architecture in architectures}


@pytest.mark.parametrize("gate", ["sigmoid", "sigmoid2", "relu"])
def test_it_starts_as_the_plain_network_where_architectures_do(gate: str) -> None:
    plain = Architecture.plain("cifar_resnet8", len(sites("cifar_resnet8")))
    path = Architecture("cifar_resnet8", (spelt("avg", "fc4", gate, "pre_addition"), None, None))
    shared = build_shared([plain, path], in_channels=1, num_classes=CLASSES, init="identity").eval()
    x = torch.randn(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    shared.path = path
    with torch.no_grad():
        assert torch.equal(shared(x), build(plain, in_channels=1, num_classes=CLASSES).eval()(x))


def test_what_cannot_start_as_the_identity_is_refused() -> None:
    path = Architecture("cifar_resnet8", (spelt("avg", "fc4", "sigmoid", "identity"), None, None))
    with pytest.raises(warm_start.UserError, match="cannot start as the identity"):
        build_shared([path], in_channels=1, num_classes=CLASSES, init="identity")
