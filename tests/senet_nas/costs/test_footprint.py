"""The estimate of a training's memory against its measured peak (fault 22)."""

from dataclasses import replace

import pytest

from benchmarks.training_memory import Case, compared
from senet_nas.costs.footprint import BASE, PROCESS, footprint, of_shared_blocks
from senet_nas.network import build
from senet_nas.network.build import sites
from senet_nas.network.shared_network import build_shared
from senet_nas.recipe import Recipe
from tests.senet_nas.covering import covering

RECIPE = Recipe(batch_size=64)


@pytest.fixture(scope="module")
def network():
    return build.build("cifar_resnet8/-/-/-", in_channels=3, num_classes=10)


def test_the_estimate_is_not_below_the_measured_peak_and_not_far_above_it() -> None:
    found = compared(Case("cifar_resnet20", (3, 32, 32), 512, ema=0.99))
    assert 1.0 <= found["estimated"] / found["measured"] <= 1.5


def test_activations_grow_with_the_batch_and_weights_do_not(network) -> None:
    one = footprint(network, (3, 32, 32), RECIPE, 10)
    two = footprint(network, (3, 32, 32), replace(RECIPE, batch_size=128), 10)
    four = footprint(network, (3, 32, 32), replace(RECIPE, batch_size=256), 10)
    assert one.weights == two.weights
    assert four.activations - two.activations == pytest.approx(2 * (two.activations - one.activations), rel=0.02)
    assert one.total == PROCESS + one.weights + one.activations


def test_each_copy_of_the_weights_counts(network) -> None:
    n_bytes = 4 * sum(parameter.numel() for parameter in network.parameters())
    copies = {
        recipe: footprint(network, (3, 32, 32), recipe, 10).weights // n_bytes
        for recipe in (RECIPE, replace(RECIPE, momentum=0.0), replace(RECIPE, ema=0.9))
    }
    assert list(copies.values()) == [3, 2, 4]


def test_a_batch_of_validation_counts_if_it_is_larger_than_a_step(network) -> None:
    small = replace(RECIPE, batch_size=2)
    few = footprint(network, (3, 32, 32), small, 10)
    many = footprint(network, (3, 32, 32), small, 1000)
    assert many.activations > few.activations
    assert footprint(network, (3, 32, 32), small, 100_000).activations == many.activations


@pytest.mark.parametrize(("momentum", "ema", "copies"), [(0.9, 0.0, 3), (0.0, 0.0, 2), (0.9, 0.99, 4)])
def test_all_blocks_of_a_shared_network_count_with_their_copies(momentum: float, ema: float, copies: int) -> None:
    architectures = covering("cifar_resnet8")
    shared = build_shared(architectures, in_channels=1, num_classes=10)
    own = sum(parameter.numel() for parameter in shared.blocks.parameters())
    recipe = Recipe(momentum=momentum, nesterov=False, ema=ema)
    assert of_shared_blocks(architectures, sites("cifar_resnet8"), recipe) == 4 * own * copies


@pytest.mark.parametrize("freeze", ["backbone", "norm"])
def test_what_is_frozen_has_neither_gradients_nor_momentum(network, freeze) -> None:
    recipe = replace(RECIPE, freeze=freeze)
    whole = footprint(network, (3, 32, 32), RECIPE, 10)
    frozen = footprint(network, (3, 32, 32), recipe, 10)
    n_bytes = 4 * sum(parameter.numel() for parameter in network.parameters())
    n_head = 4 * sum(parameter.numel() for parameter in network.fc.parameters())
    if freeze == "backbone":
        assert frozen.weights == n_bytes + 2 * n_head
        assert frozen.activations - BASE < 0.6 * (whole.activations - BASE)
    else:
        n_norm = 4 * sum(p.numel() for name, p in network.named_parameters() if "bn" in name)
        assert frozen.weights == 3 * n_bytes - 2 * n_norm
    assert all(parameter.requires_grad for parameter in network.parameters())
