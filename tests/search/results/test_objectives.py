import pytest

from search.results.objectives import DEFAULT, Objective, excess, losses

PRICE = {"params_overhead": 5.0, "macs_overhead": 0.1}


def test_accuracy_is_maximised_and_overhead_minimised():
    assert losses(DEFAULT, 90.0, PRICE) == (-90.0, 5.0)
    assert [o.direction for o in DEFAULT] == ["maximize", "minimize"]


def test_a_loss_is_its_own_inverse():
    for objective in DEFAULT:
        assert objective.loss(objective.loss(3.0)) == 3.0


@pytest.mark.parametrize(("limit", "over"), [(None, 0.0), (5.0, 0.0), (10.0, -5.0), (2.0, 3.0)])
def test_excess_is_measured_against_the_limit(limit, over):
    assert excess((DEFAULT[0], Objective(metric="params", limit=limit)), PRICE) == over
