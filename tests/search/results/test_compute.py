import csv
import io
import json
import random
from dataclasses import replace

import pytest

from search.model.features import Features
from search.model.fitting import fit
from search.results import compute, spreadsheet
from search.results.earlier_rounds import compare, smallest_provable
from search.results.evidence import observations_of
from search.results.objectives import Objective
from search.results.point import columns
from search.results.result import Rules
from search.state.confirmation_facts import ConfirmationFact, Sizes
from search.state.facts import DataFact, Facts, HeldOutFact
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from spaces import UserError
from tests.search import ledgers

RULES = Rules((Objective(metric="accuracy"), Objective(metric="params", limit=50.0)))


def make_ledger(accuracies, fresh=None, overheads=None):
    """A ledger with these accuracies for each architecture (0 is plain), all in block 0; fresh ones in block 1."""
    ledger = Ledger(":memory:")
    costs = [(overheads or {}).get(number, 5.0 * number) for number in range(len(accuracies))]
    for entry, values in zip(ledgers.enter(ledger, costs, macs_overhead=0.0), accuracies, strict=True):
        ledgers.train(ledger, entry, values, grad_norm=0.5)
    for number, values in (fresh or {}).items():
        confirmed = {"block": 1, "role": "confirm", "origin": "confirmation 1"}
        ledgers.train(ledger, ledger.entries[number], values, **confirmed, grad_norm=0.5)
    if fresh:
        sizes = Sizes(len(fresh) - 1, len(next(iter(fresh.values()))), len(fresh[0]), 1)
        ledger.note(Facts(confirmations=(ConfirmationFact(sizes, tuple(n for n in fresh if n), budget=99),)))
    return ledger


def spread(mean, n=4, width=0.1):
    return [mean + width * (i - (n - 1) / 2) for i in range(n)]


def test_without_a_difference_plain_is_recommended_and_nothing_claimed():
    found = compute.compute("run", make_ledger([spread(95), [95.1], [94.9], [95.0]]), RULES)
    assert found.recommended == "a0"
    assert found.verdict.startswith("Undecided: nothing is proven yet. No placement of SE is likely better than plain.")
    assert {p.verdict for p in found.points} <= {"plain", "open", "likely worse"}
    assert "nothing is proven" in found.power


def test_proof_needs_fresh_trainings_however_good_the_search_looked():
    likely = compute.compute("run", make_ledger([spread(95), spread(98)]), RULES)
    assert likely["a1"].verdict == "likely"
    assert likely.recommended == "a0"
    assert likely.likely == "a1"
    assert likely.verdict.startswith("Undecided: nothing is proven yet. Likely better than plain: placement 1")
    proven = compute.compute("run", make_ledger([spread(95), spread(98)], {0: spread(95), 1: spread(97)}), RULES)
    assert proven["a1"].verdict == "proven"
    assert proven.recommended == "a1"
    assert proven["a1"].fresh_gain == pytest.approx(2.0)
    point = proven["a1"]
    gain = f"{point.gain:+.2f} points [{point.gain_low:+.2f}, {point.gain_high:+.2f}]"
    assert proven.verdict.startswith(f"Worth it: placement 1 gains {gain} over plain for +5.00 % parameters")


def test_the_cheapest_that_is_not_clearly_worse_is_recommended():
    data = [spread(95), spread(97), spread(97.02), spread(99)]
    fresh = {0: spread(95), 1: spread(97), 2: spread(97.02), 3: spread(97.05)}
    costs = {1: 30.0, 2: 10.0, 3: 20.0}
    rules = Rules(RULES.objectives, tolerance=1.5)
    assert compute.compute("run", make_ledger(data, fresh, costs), rules).recommended == "a2"


def test_what_is_over_a_limit_is_neither_on_the_front_nor_recommended():
    ledger = make_ledger([spread(95), spread(99)], {0: spread(95), 1: spread(99)}, {1: 60.0})
    found = compute.compute("run", ledger, RULES)
    assert found["a1"].verdict == "proven"
    assert not found["a1"].on_front
    assert found.recommended == "a0"


def test_the_front_is_judged_on_estimates_not_on_one_lucky_training():
    """a1 has one high training; a2 is as cheap and steadily good."""
    ledger = make_ledger([spread(95, 6), [96.2], spread(96.0, 8)], overheads={1: 5.0, 2: 5.0})
    found = compute.compute("run", ledger, RULES)
    assert found["a2"].val_accuracy > 95.5
    assert found["a1"].gain_low < found["a2"].gain_low


def test_without_plain_there_is_no_result():
    with pytest.raises(UserError) as caught:
        compute.compute("run", make_ledger([[], [95.0]]), RULES)
    assert caught.value.code == 3


def test_csv_has_the_columns_of_the_design_and_no_formulas():
    ledger = make_ledger([spread(95), [95.2]])
    ledgers.enter(ledger, [0.0])
    rows = list(csv.DictReader(io.StringIO(compute.compute("run", ledger, RULES).to_csv())))
    assert set(columns(RULES.qualities)) == set(rows[0])
    assert rows[0]["id"] == "a0"
    assert spreadsheet._cell("=cmd()") == "'=cmd()"


def test_json_comes_in_an_envelope():
    body = json.loads(compute.compute("run", make_ledger([spread(95), [95.2]]), RULES).to_json())
    assert (body["schema"], body["command"], body["run"]) == (1, "front", "run")
    assert body["smallest_provable_gain"] is None
    assert [p["id"] for p in body["points"]] == ["a0", "a1"]


def test_picking():
    found = compute.compute("run", make_ledger([spread(95), [95.2]]), RULES)
    assert found.recommended == "a0"
    assert found["a1"].id == "a1"
    with pytest.raises(UserError, match="no architecture `a9`"):
        found["a9"]


def test_logged_values_are_means_over_seeds():
    found = compute.compute("run", make_ledger([spread(95), [95.2]]), RULES)
    assert found.plain.logged == {"grad_norm": 0.5}


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ([[100.0] * 4, [100.0]], "harder images"),
        ([spread(11), [12.0]], "trained too briefly to differ"),
        ([spread(95), [95.3]], None),
    ],
)
def test_where_placements_cannot_differ_it_is_told_why(accuracies, words):
    ledger = make_ledger(accuracies)
    ledger.note(Facts(data=DataFact(classes=tuple("abcdefghij"), validation=500)))
    found = compute.compute("run", ledger, RULES)
    told = " ".join(found.findings)
    assert (words in told) if words else ("harder images" not in told and "too briefly" not in told)
    assert all(p.val_accuracy <= 100 for p in found.points)
    if words == "harder images":
        assert "would reach" not in told


def test_the_recommendation_says_which_rule_it_followed():
    plain = compute.compute("r", make_ledger([[90.0, 90.1, 89.9], [90.0, 90.1]]), RULES)
    assert plain.rule == "Recommended: plain, because no placement was proven better."
    proven = replace(plain, recommended="a1")
    assert proven.rule.startswith("Recommended: a1, the cheapest proven placement whose chance of being more than 0.1 ")
    assert proven.rule.endswith("below 10 %.")


def test_a_member_that_is_not_better_than_a_cheaper_one_is_named_with_it():
    found = compute.compute("r", make_ledger([[90.0, 90.1, 89.9], [90.0, 90.1], [90.0, 90.2]]), RULES)
    marked = {"a1": "a0", "a2": "a1"}
    points = [replace(point, on_front=True, alike=marked.get(point.id)) for point in found.points]
    assert replace(found, points=tuple(points)).findings[:2] == [
        "a1 is not measurably better than plain, which is cheaper.",
        "a2 is not measurably better than a1, which is cheaper.",
    ]


# -- every figure of a point, computed another way --------------------------------------------------------------------


def random_run(seed):
    """Eight architectures, some better and some worse than plain, some over the limit, two of them confirmed."""
    rng = random.Random(seed)
    gains = [0.0, *(rng.choice([-2.0, -0.3, 0.0, 0.2, 0.6, 1.5]) for _ in range(7))]
    costs = {n: rng.choice([2.0, 5.0, 9.0, 30.0, 60.0]) + n / 10 for n in range(1, 8)}
    seen = [[95 + gain + rng.gauss(0, 0.2) for _ in range(rng.choice([1, 2, 4]))] for gain in gains]
    fresh = {n: [95 + gains[n] + rng.gauss(0, 0.2) for _ in range(5)] for n in (0, 1, 2)}
    return make_ledger(seen, fresh, {0: 0.0, **costs})


@pytest.fixture(params=range(8))
def judged(request):
    """A run, its front, and the posterior on which it is judged."""
    ledger = random_run(request.param)
    posterior = fit(observations_of(ledger.trainings), Features.none(8), resolution=0.0)
    return ledger, compute.compute("run", ledger, RULES), posterior


def test_points_are_read_off_the_posterior(judged):
    ledger, found, posterior = judged
    for point in found.points:
        draws = posterior.of(point.number)
        mean, low, high = posterior.interval(point.number, 0.9)
        assert (point.gain, point.gain_low, point.gain_high) == pytest.approx((mean, low, high))
        assert point.val_accuracy == pytest.approx(min(100, posterior.plain_score + mean))
        assert point.p_gain == pytest.approx((draws > 0.05).mean())
        mine = [t for t in ledger.trainings if t.architecture == point.number]
        assert point.n_seeds == len(mine)
        assert point.seeds == {str(t.seed): t.metrics["val_accuracy"] for t in mine}
    assert found.sigma == posterior.sigma
    assert found.counts == {"finished": len(ledger.trainings)}


def test_verdicts_follow_from_proof_and_from_the_chances_of_gain_and_loss(judged):
    _, found, posterior = judged
    for point in found.points:
        draws = posterior.of(point.number)
        if point.number == 0:
            expected = "plain"
        elif point.p_value is not None and point.p_value < 0.05 / 3 / 2:
            expected = "proven"
        elif (draws > 0.05).mean() >= 0.9:
            expected = "likely"
        elif (draws <= -0.05).mean() >= 0.9:
            expected = "likely worse"
        else:
            expected = "open"
        assert point.verdict == expected


def test_all_verdicts_occur():
    found = {p.verdict for seed in range(8) for p in compute.compute("run", random_run(seed), RULES).points}
    assert found == {"plain", "proven", "likely", "likely worse", "open"}


def test_open_is_what_may_be_better_or_worse_and_likely_worse_what_loses():
    found = compute.compute("run", make_ledger([spread(95, 6), spread(92), [95.02]]), RULES)
    assert [p.verdict for p in found.points] == ["plain", "likely worse", "open"]


def test_a_chance_of_exactly_the_level_is_likely():
    ledger = make_ledger([spread(95, 6), spread(95.1), spread(94.85)])
    posterior = fit(observations_of(ledger.trainings), Features.none(3))
    gain = float((posterior.of(1) > 0.05).mean())
    loss = float(1 - (posterior.of(2) > -0.05).mean())
    assert 0.5 < gain < 1
    assert 0.5 < loss < 1
    at = [compute.compute("run", ledger, Rules(RULES.objectives, level=level)) for level in (gain, gain + 1e-9)]
    assert [found["a1"].verdict for found in at] == ["likely", "open"]
    at = [compute.compute("run", ledger, Rules(RULES.objectives, level=level)) for level in (loss, loss + 1e-9)]
    assert [found["a2"].verdict for found in at] == ["likely worse", "open"]


def test_the_front_is_what_nothing_within_the_limits_dominates(judged):
    _, found, _ = judged
    inside = [p for p in found.points if p.allowed or p.is_plain]
    assert {p.number for p in found.points if not p.allowed} == {
        p.number for p in found.points if p.costs["params_overhead"] > 50
    }
    for point in found.points:
        better = [
            q
            for q in inside
            if q.val_accuracy >= point.val_accuracy
            and q.params_overhead <= point.params_overhead
            and (q.val_accuracy > point.val_accuracy or q.params_overhead < point.params_overhead)
        ]
        assert point.on_front == (point in inside and not better)


def test_the_cheapest_member_that_another_does_not_likely_beat_is_named(judged):
    _, found, posterior = judged
    order = sorted((p for p in found.points if p.on_front), key=lambda p: p.params_overhead)
    for i, point in enumerate(order):
        alike = [
            cheaper.id
            for cheaper in order[:i]
            if (posterior.of(point.number) - posterior.of(cheaper.number) > 0.05).mean() < 0.9
        ]
        assert point.alike == (alike[0] if alike else None)
    assert all(p.alike is None for p in found.points if not p.on_front)


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 1.0])
def test_the_recommendation_is_the_cheapest_proven_one_that_is_not_likely_behind_the_best(judged, tolerance):
    ledger, found, posterior = judged
    found = compute.compute("run", ledger, Rules(RULES.objectives, tolerance=tolerance))
    proven = [p for p in found.points if p.verdict == "proven" and p.allowed]
    if not proven:
        likely = [p for p in found.points if p.verdict == "likely" and p.allowed]
        assert (found.recommended, found.likely) == (
            "a0",
            max(likely, key=lambda p: p.p_gain).id if likely else None,
        )
        return
    best = max(proven, key=lambda p: p.gain)
    near = [p for p in proven if (posterior.of(best.number) - posterior.of(p.number) > tolerance).mean() < 1 - 0.9]
    assert found.likely is None
    assert found.recommended == min(near, key=lambda p: p.params_overhead).id


# -- confirmations ----------------------------------------------------------------------------------------------------


def confirming(*, waiting=0, failed=()):
    """Plain and two that are much better, confirmed with three fresh trainings each; some still wait, or failed."""
    fresh = {0: spread(95, 5), 1: spread(97, 3), 2: spread(98, 3)}
    ledger = make_ledger([spread(95), spread(97), spread(98)], fresh)
    again = {"role": "confirm", "origin": "confirmation 1"}
    for number in failed:
        ledgers.play(ledger, [(ledger.entries[number], Seed(1, 9))], [ledgers.failed()], **again)
    ledger.plan([(ledger.entries[1], Seed(1, 20 + i)) for i in range(waiting)], **again)
    return ledger


def test_what_is_under_way_is_not_tested_before_it_has_ended():
    found = compute.compute("run", confirming(waiting=1), RULES)
    assert found.under_way
    assert not found.confirmed
    assert {p.p_value for p in found.points} == {None}
    assert "Nothing is proven before the pairs of a look have ended" in found.power
    done = compute.compute("run", confirming(), RULES)
    assert not done.under_way
    assert done.confirmed
    assert [p.verdict for p in done.points] == ["plain", "proven", "proven"]


def test_a_round_that_was_ended_is_tested_whatever_still_waits():
    ledger = confirming(waiting=1)
    ledger.note(Facts(confirmations_ended=1))
    assert compute.compute("run", ledger, RULES)["a1"].verdict == "proven"


def test_a_finalist_of_which_a_fresh_training_failed_is_at_most_likely():
    found = compute.compute("run", confirming(failed=[1]), RULES)
    assert [found[name].verdict for name in ("a1", "a2")] == ["likely", "proven"]
    assert found["a1"].p_value == 1.0


def test_a_failure_in_the_search_does_not_count_against_a_finalist():
    ledger = confirming()
    ledgers.play(ledger, [(ledger.entries[1], Seed(0, 9))], [ledgers.failed()])
    assert compute.compute("run", ledger, RULES)["a1"].verdict == "proven"
    assert compute.compute("run", ledger, RULES).counts == {"finished": 23, "failed": 1}


def test_a_second_round_is_tested_on_its_own_trainings_at_its_own_level():
    ledger = confirming()
    for number, values in {0: spread(95, 3, 1.0), 2: spread(96, 3, 1.0)}.items():
        ledgers.train(ledger, ledger.entries[number], values, block=2, role="confirm", origin="confirmation 3")
    (first,) = ledger.facts.confirmations
    small = Sizes(finalists=1, each=3, plain=3, blocks=1)
    none = ConfirmationFact(Sizes(0, 0, 0, 0), (), budget=99)
    ledger.note(Facts(confirmations=(first, none, ConfirmationFact(small, (2,), budget=140))))
    found = compute.compute("run", ledger, RULES)
    assert found.provable == pytest.approx(smallest_provable(found.sigma, small, 0.05, 1))
    assert found["a2"].fresh_gain == pytest.approx(3.0)  # of the first round, which proved it
    rounds = [observations_of(t for t in ledger.trainings if t.origin == f"confirmation {n}") for n in (1, 3)]
    assert found["a1"].p_value == compare(rounds, 0.05)[1].p_value


def test_without_a_confirmation_nothing_is_provable():
    found = compute.compute("run", make_ledger([spread(95), [95.2]]), RULES)
    assert found.provable == float("inf")
    assert not found.under_way


def test_the_role_of_an_architecture_is_the_surest_of_its_trainings():
    ledger = make_ledger([spread(95), spread(95), spread(96), [94.0]], {0: spread(95), 1: spread(95)})
    ledgers.train(ledger, ledger.entries[2], [96.0], role="baseline", origin="baseline")
    ledgers.train(ledger, ledger.entries[1], [96.0], role="baseline", origin="baseline")
    roles = [p.role for p in compute.compute("run", ledger, RULES).points]
    assert roles == ["plain", "finalist", "baseline", "candidate"]


def test_logged_values_are_averaged_over_those_trainings_that_logged_them():
    ledger = make_ledger([spread(95)])
    ledgers.train(ledger, ledger.entries[0], [95.0, 95.0], grad_norm=1.5, train_seconds=9.0, unknown=1.0)
    logged = compute.compute("run", ledger, RULES).plain.logged
    assert logged == {"grad_norm": pytest.approx((4 * 0.5 + 2 * 1.5) / 6), "train_seconds": 9.0}


def test_a_cost_that_was_measured_at_the_end_replaces_the_predicted_one():
    ledger = make_ledger([spread(95), spread(96)])
    ledger.note(Facts(latency={"a1": {"params_overhead": 70.0, "latency_overhead": 3.0}}))
    found = compute.compute("run", ledger, RULES)
    assert (found["a1"].params_overhead, found["a1"].latency_overhead, found["a1"].allowed) == (70.0, 3.0, False)


def test_the_test_result_is_handed_on():
    ledger = make_ledger([spread(95)])
    assert compute.compute("run", ledger, RULES).test is None
    ledger.note(Facts(test=HeldOutFact("2026-01-01", {"a0": ({"accuracy": 94.0},)})))
    assert "2026-01-01" in str(compute.compute("run", ledger, RULES).test)


def test_what_has_not_finished_has_no_point():
    ledger = make_ledger([spread(95), spread(96), []])
    ledgers.play(ledger, [(ledger.entries[2], Seed(0))], [None])
    assert [p.id for p in compute.compute("run", ledger, RULES).points] == ["a0", "a1"]
