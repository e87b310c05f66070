from dataclasses import replace

import pytest
from click import BadParameter

from search.cli.options import percent
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.results.selection import choose
from search.state.ledger import Ledger
from spaces import UserError
from tests.search import ledgers

# Accuracy over plain and overhead in percent of a0, a1, ...: a2 is the knee, a3 the most accurate, a4 is dominated.
POINTS = [(0.0, 0.0), (0.2, 1.0), (1.8, 2.0), (2.0, 4.0), (-1.0, 3.0)]


@pytest.fixture(scope="module")
def found():
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger, [overhead for _, overhead in POINTS])
    for entry, (gain, _) in zip(entries, POINTS, strict=True):
        ledgers.train(ledger, entry, [90 + gain + (-1) ** replicate / 100 for replicate in range(8)])
    return compute("run", ledger, Rules(DEFAULT))


def proven(found, *ids):
    points = [replace(p, verdict="proven", fresh_gain=p.gain) if p.id in ids else p for p in found.points]
    return replace(found, points=tuple(points), recommended=ids[0] if ids else "a0")


def test_an_id_is_taken_whatever_the_limits(found):
    assert choose(found, "a4", {"params_overhead": 0}).id == "a4"


def test_best_is_the_recommendation(found):
    assert choose(found).id == "a0"
    assert choose(proven(found, "a3", "a2")).id == "a3"


def test_best_within_a_limit_is_the_proven_one_with_the_largest_gain(found):
    judged = proven(found, "a3", "a1", "a2")
    assert choose(judged, "best", {"params_overhead": 2}).id == "a2"
    assert choose(judged, "best", {"params_overhead": 2, "macs_overhead": 0.1}).id == "a1"
    assert choose(judged, "best", {"params_overhead": 0.5}).id == "a0"


def test_cheapest_proven(found):
    assert choose(proven(found, "a3", "a2"), "cheapest-proven").id == "a2"
    with pytest.raises(UserError, match="no architecture within the limits is proven") as caught:
        choose(found, "cheapest-proven")
    assert caught.value.code == 3


def test_what_proved_to_be_over_a_limit_of_the_search_is_no_choice_of_a_rule(found):
    """A latency that was measured at the end, say."""
    judged = proven(found, "a3", "a2")
    points = [replace(p, allowed=p.id != "a2") for p in judged.points]
    assert choose(replace(judged, points=tuple(points)), "cheapest-proven").id == "a3"


def test_knee_and_accurate_are_members_of_the_front(found):
    assert choose(found, "knee").id == "a2"
    assert choose(found, "accurate").id == "a3"
    assert choose(found, "accurate", {"params_overhead": 2}).id == "a2"


def test_latency_is_a_limit_where_the_search_knew_it(found):
    with pytest.raises(UserError, match="latency overhead was not measured in this run"):
        choose(found, "accurate", {"latency_overhead": 5})
    timed = [replace(p, costs={**p.costs, "latency_overhead": 3.0 * n}) for n, p in enumerate(found.points)]
    assert choose(replace(found, points=tuple(timed)), "accurate", {"latency_overhead": 6}).id == "a2"


@pytest.mark.parametrize(("typed", "means"), [("5%", 5.0), ("0.5", 0.5), ("0%", 0.0)])
def test_a_limit_is_typed_as_people_do(typed, means):
    assert percent(typed) == means


@pytest.mark.parametrize("typed", ["five", "-1%", "nan", "inf", "%"])
def test_what_is_no_percentage_is_refused_with_an_example(typed):
    with pytest.raises(BadParameter, match="5%"):
        percent(typed)


@pytest.mark.parametrize("rule", ["best", "knee", "accurate"])
def test_where_nothing_else_is_allowed_plain_is_taken(found, rule):
    assert choose(found, rule, {"params_overhead": 0}).id == "a0"


def test_what_is_unknown_is_told(found):
    with pytest.raises(UserError, match="it has a0 to a4"):
        choose(found, "a99")
    with pytest.raises(UserError, match="unknown rule `kne`") as caught:
        choose(found, "kne")
    assert "knee" in caught.value.hint


def test_best_outside_the_limits_goes_by_the_gain_on_fresh_seeds(found):
    """Not by the estimated gain: a1 gained more when it was trained again."""
    judged = proven(found, "a3", "a2", "a1")
    fresh = {"a1": 1.9, "a2": 1.0, "a3": 2.0}
    points = tuple(replace(p, fresh_gain=fresh.get(p.id)) for p in judged.points)
    assert choose(replace(judged, points=points), "best", {"params_overhead": 2}).id == "a1"
    assert choose(replace(judged, points=points), "best", {"params_overhead": 4}).id == "a3"


def test_a_limit_may_be_met_exactly_and_every_limit_counts(found):
    judged = proven(found, "a3", "a2")
    assert choose(judged, "cheapest-proven", {"params_overhead": 2.0}).id == "a2"
    with pytest.raises(UserError, match="no architecture within the limits"):
        choose(judged, "cheapest-proven", {"params_overhead": 1.99})
    with pytest.raises(UserError, match="no architecture within the limits"):
        choose(judged, "cheapest-proven", {"params_overhead": 9.0, "macs_overhead": 0.1})


def test_the_knee_is_the_farthest_above_the_line_of_both_axes_scaled(found):
    """Gains over plain of 1 at half of the overhead, or of 0.6 at a tenth: the second is farther above the line."""
    heights = {"a0": (0.0, 0.0), "a1": (1.2, 1.0), "a2": (1.5, 5.0), "a3": (2.0, 10.0)}
    points = tuple(
        replace(
            p,
            on_front=p.id in heights,
            value=90 + heights.get(p.id, (0, 0))[0],
            costs={**p.costs, "params_overhead": heights.get(p.id, (0, 99.0))[1]},
        )
        for p in found.points
    )
    judged = replace(found, points=points)
    assert choose(judged, "knee").id == "a1"
    assert choose(judged, "knee", {"params_overhead": 0.5}).id == "a0"


def test_the_knee_of_a_front_of_one_is_that_one(found):
    alone = replace(found, points=tuple(replace(p, on_front=p.id == "a3") for p in found.points))
    assert choose(alone, "knee").id == "a3"


def test_only_members_of_the_front_are_accurate_or_a_knee(found):
    points = tuple(replace(p, on_front=p.id in ("a0", "a1")) for p in found.points)
    assert choose(replace(found, points=points), "accurate").id == "a1"


@pytest.mark.parametrize("pick", ["a", "a1x", "xa1", "A1"])
def test_what_only_looks_like_an_id_is_a_rule_that_does_not_exist(found, pick):
    with pytest.raises(UserError, match="unknown rule"):
        choose(found, pick)
