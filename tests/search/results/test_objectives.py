import dataclasses

import pytest

from search.results.objectives import DEFAULT, Objective, excess, losses, objective_values
from senet_nas.costs.measures import MEASURES

PRICE = {"params_overhead": 5.0, "macs_overhead": 0.1}


def test_accuracy_is_maximised_and_overhead_minimised():
    assert losses(DEFAULT, {"accuracy": 90.0}, PRICE) == (-90.0, 5.0)
    assert [o.direction for o in DEFAULT] == ["maximize", "minimize"]


@pytest.mark.parametrize(("limit", "over"), [(None, 0.0), (5.0, 0.0), (10.0, -5.0), (2.0, 3.0)])
def test_excess_is_measured_against_the_limit(limit, over):
    assert excess((DEFAULT[0], Objective(metric="params", limit=limit)), PRICE) == over


def test_a_goal_of_ones_own_turns_the_sign():
    assert Objective(metric="params", goal="maximize").loss(5.0) == -5.0
    own = Objective(metric="error", goal="minimize")
    assert own.quality.score({"val_error": 3.0}) == -3.0  # a score turns the sign, and its loss turns it back
    assert own.loss(own.quality.score({"val_error": 3.0})) == 3.0
    assert Objective(metric="macs").loss(5.0) == 5.0


def test_values_are_taken_by_the_column_of_each_objective():
    objectives = (Objective(metric="macs"), Objective(metric="accuracy"), Objective(metric="params"))
    assert [o.column for o in objectives] == ["macs_overhead", "accuracy", "params_overhead"]
    assert objective_values(objectives, {"accuracy": 90.0}, PRICE) == (0.1, 90.0, 5.0)
    with pytest.raises(KeyError):
        objective_values((Objective(metric="latency"),), {"accuracy": 90.0}, PRICE)


def test_of_several_limits_the_most_exceeded_counts():
    objectives = (Objective(metric="params", limit=4.0), Objective(metric="macs", limit=0.05))
    assert excess(objectives, PRICE) == 1.0
    assert excess(objectives, {"params_overhead": 3.0, "macs_overhead": 0.0}) == pytest.approx(-0.05)


def test_the_help_of_a_metric_names_every_cost_with_its_meaning():
    (metric,) = [field for field in dataclasses.fields(Objective) if field.name == "metric"]
    for measure in MEASURES.values():
        assert f"{measure.name} ({measure.description})" in metric.metadata["description"]
    assert "accuracy" in metric.metadata["description"]
