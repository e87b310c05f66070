import csv
import io
import json
from dataclasses import replace

import pytest

from search.results import compute as front
from search.results import result as verdict
from search.results.confirmation import Sizes
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.ledger import Ledger
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
        sizes = vars(Sizes(len(fresh) - 1, len(next(iter(fresh.values()))), len(fresh[0]), 1))
        ledger.note(confirmations=[{"sizes": sizes, "finalists": [n for n in fresh if n], "budget": 99}])
    return ledger


def spread(mean, n=4, width=0.1):
    return [mean + width * (i - (n - 1) / 2) for i in range(n)]


def test_without_a_difference_plain_is_recommended_and_nothing_claimed():
    found = front.compute("run", make_ledger([spread(95), [95.1], [94.9], [95.0]]), RULES)
    assert found.recommended == "a0"
    assert "proven" in found.verdict
    assert found.verdict.startswith("No placement")
    assert {p.verdict for p in found.points} <= {"plain", "open", "likely worse"}
    assert "nothing can be proven" in found.power


def test_proof_needs_fresh_trainings_however_good_the_search_looked():
    likely = front.compute("run", make_ledger([spread(95), spread(98)]), RULES)
    assert likely["a1"].verdict == "likely"
    assert likely.recommended == "a0"
    assert likely.likely == "a1"
    assert likely.verdict.startswith("Nothing is proven. Likely better than plain: placement 1")
    proven = front.compute("run", make_ledger([spread(95), spread(98)], {0: spread(95), 1: spread(97)}), RULES)
    assert proven["a1"].verdict == "proven"
    assert proven.recommended == "a1"
    assert proven["a1"].fresh_gain == pytest.approx(2.0)
    assert proven.verdict.startswith("Proven: placement 1 gains +2.00 points")


def test_the_cheapest_that_is_not_clearly_worse_is_recommended():
    data = [spread(95), spread(97), spread(97.02), spread(99)]
    fresh = {0: spread(95), 1: spread(97), 2: spread(97.02), 3: spread(97.05)}
    costs = {1: 30.0, 2: 10.0, 3: 20.0}
    rules = Rules(RULES.objectives, tolerance=1.5)
    assert front.compute("run", make_ledger(data, fresh, costs), rules).recommended == "a2"


def test_what_is_over_a_limit_is_neither_on_the_front_nor_recommended():
    ledger = make_ledger([spread(95), spread(99)], {0: spread(95), 1: spread(99)}, {1: 60.0})
    found = front.compute("run", ledger, RULES)
    assert found["a1"].verdict == "proven"
    assert not found["a1"].on_front
    assert found.recommended == "a0"


def test_the_front_is_judged_on_estimates_not_on_one_lucky_training():
    """a1 has one high training; a2 is as cheap and steadily good."""
    ledger = make_ledger([spread(95, 6), [96.2], spread(96.0, 8)], overheads={1: 5.0, 2: 5.0})
    found = front.compute("run", ledger, RULES)
    assert found["a2"].val_accuracy > 95.5
    assert found["a1"].gain_low < found["a2"].gain_low


def test_finalists_are_the_surest_and_keep_to_the_limits():
    ledger = make_ledger([spread(95, 6), spread(96), spread(98), spread(99), [94.0]], overheads={3: 80.0})
    assert front.finalists(ledger, RULES, 2) == [1, 2] or front.finalists(ledger, RULES, 2) == [2, 1]
    assert front.finalists(ledger, RULES, 0) == []


def test_without_plain_there_is_no_result():
    with pytest.raises(UserError) as caught:
        front.compute("run", make_ledger([[], [95.0]]), RULES)
    assert caught.value.code == 3


def test_csv_has_the_columns_of_the_design_and_no_formulas():
    ledger = make_ledger([spread(95), [95.2]])
    ledgers.enter(ledger, [0.0])
    rows = list(csv.DictReader(io.StringIO(front.compute("run", ledger, RULES).to_csv())))
    assert set(verdict.COLUMNS) == set(rows[0])
    assert rows[0]["id"] == "a0"
    assert verdict._cell("=cmd()") == "'=cmd()"


def test_json_comes_in_an_envelope():
    body = json.loads(front.compute("run", make_ledger([spread(95), [95.2]]), RULES).to_json())
    assert (body["schema"], body["command"], body["run"]) == (1, "front", "run")
    assert body["smallest_provable_gain"] is None
    assert [p["id"] for p in body["points"]] == ["a0", "a1"]


def test_picking():
    found = front.compute("run", make_ledger([spread(95), [95.2]]), RULES)
    assert found.pick().id == "a0"
    assert found.pick("a1").id == "a1"
    with pytest.raises(UserError, match="no architecture `a9`"):
        found.pick("a9")


def test_logged_values_are_means_over_seeds():
    found = front.compute("run", make_ledger([spread(95), [95.2]]), RULES)
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
    ledger.note(data={"classes": list("abcdefghij"), "validation": 500})
    found = front.compute("run", ledger, RULES)
    told = " ".join(found.findings)
    assert (words in told) if words else ("harder images" not in told and "too briefly" not in told)
    assert all(p.val_accuracy <= 100 for p in found.points)
    if words == "harder images":
        assert "would reach" not in told


def test_the_recommendation_says_which_rule_it_followed():
    plain = front.compute("r", make_ledger([[90.0, 90.1, 89.9], [90.0, 90.1]]), RULES)
    assert plain.rule == "Recommended: plain, because no placement was proven better."
    proven = replace(plain, recommended="a1")
    assert proven.rule.startswith("Recommended: a1, the cheapest proven placement whose chance of being more than 0.1 ")
    assert proven.rule.endswith("below 10 %.")


def test_a_member_that_is_not_better_than_a_cheaper_one_is_named_with_it():
    found = front.compute("r", make_ledger([[90.0, 90.1, 89.9], [90.0, 90.1], [90.0, 90.2]]), RULES)
    marked = {"a1": "a0", "a2": "a1"}
    points = [replace(point, on_front=True, alike=marked.get(point.id)) for point in found.points]
    assert replace(found, points=tuple(points)).findings[:2] == [
        "a1 is not measurably better than plain, which is cheaper.",
        "a2 is not measurably better than a1, which is cheaper.",
    ]
