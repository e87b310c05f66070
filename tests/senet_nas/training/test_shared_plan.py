"""What a shared network costs, and how much of it a budget affords."""

import pytest

from senet_nas.recipe import Recipe
from senet_nas.training.shared_plan import EVALUATION_SHARE, FEWEST, IMAGES, MOST, TRAININGS, SharedCost
from senet_nas.training.shared_plan import SharedSizes as Sizes

# The table fashion113: a training passes 8 x 3 x 4,000 images, 7 x 2,000 and at last 56,000.
COST = SharedCost(Recipe(epochs=8), 4000, 56_000)


def test_the_cost_counts_passes_in_those_of_a_training():
    assert COST.of(Sizes(0, 0)) == 0
    assert COST.of(Sizes(32, 0)) == pytest.approx(32 * 14_000 / 166_000)
    assert COST.of(Sizes(0, 113)) == pytest.approx(113 * 4000 / 166_000)
    assert COST.of(Sizes(0, 113, 500)) == pytest.approx(113 * 1000 / 166_000)


def test_few_images_are_all_used():
    few = SharedCost(Recipe(epochs=2), 300, 100)
    assert few.of(Sizes(2, 1)) == pytest.approx((2 * 1000 + 400) / (2 * 900 + 2 * 100))


def test_a_large_budget_affords_all_that_is_useful():
    assert COST.sizes_within(64 / 6, 113) == Sizes(TRAININGS * 8, 113, IMAGES[0])
    assert COST.sizes_within(1e6, 10**9) == Sizes(TRAININGS * 8, MOST, IMAGES[0])


def test_fewer_images_come_before_fewer_architectures():
    assert COST.sizes_within(4.0, 113) == Sizes(31, 113, 1000)
    small = COST.sizes_within(4.0, 9985)
    assert (small.images, small.architectures < MOST) == (IMAGES[-1], True)


@pytest.mark.parametrize("most", [1.5, 2.0, 4.0, 5.3, 8.0, 20.0])
@pytest.mark.parametrize("architectures", [9, 113, 721, 9985])
def test_it_never_costs_more_than_it_may(most, architectures):
    found = COST.sizes_within(most, architectures)
    assert found is not None
    assert COST.of(found) <= most
    assert COST.of(Sizes(0, found.architectures, found.images)) <= EVALUATION_SHARE * most
    assert 8 <= found.epochs <= 32
    assert min(FEWEST, architectures) <= found.architectures <= architectures


@pytest.mark.parametrize("architectures", [4, 113, 9985])
def test_what_a_small_budget_affords_is_not_worth_it(architectures):
    least = COST.least(architectures)
    assert COST.sizes_within(0.8 * least, architectures) is None
    assert COST.sizes_within(1.1 * least, architectures) is not None
