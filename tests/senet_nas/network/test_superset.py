"""One network for a whole space: its outputs and gradients are those of the separate networks."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from senet_nas.network.build import build
from senet_nas.network.superset import PaddedSE, extract_weights, load_weights, options, superset
from spaces import Architecture
from tests.senet_nas.covering import covering

BACKBONE, CLASSES = "cifar_resnet8", 5
NETWORKS = covering(BACKBONE)


def separate(architecture: Architecture) -> nn.Module:
    return build(architecture, in_channels=1, num_classes=CLASSES, block_seed=3)


def images(seed: int, n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, 12, 12, generator=generator), torch.randint(CLASSES, (n,), generator=generator)


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    x, y = images(0)
    F.cross_entropy(network.train()(x), y).backward()
    return {name: p.grad for name, p in network.named_parameters()}


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    return superset(BACKBONE, options(NETWORKS), in_channels=1, num_classes=CLASSES)


@pytest.mark.parametrize("architecture", NETWORKS, ids=range(len(NETWORKS)))
def test_outputs_and_gradients_are_those_of_the_separate_network(whole: nn.Module, architecture: Architecture) -> None:
    alone = separate(architecture)
    both = load_weights(whole, architecture, alone.state_dict())
    x, _ = images(1)
    with torch.no_grad():
        torch.testing.assert_close(both.eval()(x), alone.eval()(x), rtol=1e-5, atol=1e-5)
    both.zero_grad()
    found, expected = gradients(both), gradients(alone)
    for name, parameter in both.named_parameters():
        parameter.data.copy_(found[name])  # so that extract_weights() finds the gradients where the weights were
    for name, gradient in extract_weights(both, architecture).items():
        if name in expected:
            torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5, msg=name)
    kept = sum(float(p.square().sum()) for p in expected.values())
    assert sum(float(p.square().sum()) for p in found.values()) == pytest.approx(kept, rel=1e-3)  # none outside masks


def test_what_was_put_on_comes_off_again(whole: nn.Module) -> None:
    for architecture in NETWORKS[:3]:
        state = separate(architecture).state_dict()
        found = extract_weights(load_weights(whole, architecture, state), architecture)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[name], state[name]) for name in state)


def test_plain_is_plain_to_the_bit(whole: nn.Module) -> None:
    plain, (x, _) = Architecture.plain(BACKBONE, 3), images(2)
    alone = separate(plain)
    both = load_weights(whole, plain, alone.state_dict())
    assert any(isinstance(module, PaddedSE) for module in both.modules())
    with torch.no_grad():
        assert torch.equal(both.eval()(x), alone.eval()(x))


def test_weights_of_another_architecture_are_refused(whole: nn.Module) -> None:
    with pytest.raises(AssertionError, match="not the weights"):
        load_weights(whole, NETWORKS[0], {**separate(NETWORKS[0]).state_dict(), "more": torch.zeros(1)})
