"""A result in words, in JSON and in CSV: every sentence has its condition."""

import json
import math
from dataclasses import replace

import pytest

from search.results.answer import Answer
from search.results.insights import Insights
from search.results.objectives import DEFAULT, Objective
from search.results.point import Point, head
from search.results.result import Front, Rules
from search.results.search_progress import Progress
from search.state.confirmation_facts import Settled
from senet_nas.costs.measures import MEASURES
from spaces import UserError

COSTS = {"params": 1000.0, "params_overhead": 0.0, "macs": 5e6, "macs_overhead": 0.0}


def point(number, **more):
    """A point that is plain for number 0, else open, off the front, 5 % larger for each number."""
    usual = {
        "number": number,
        "architecture": f"net/{number}",
        "label": f"placement {number}",
        "on_front": number == 0,
        "role": "plain" if number == 0 else "candidate",
        "verdict": "plain" if number == 0 else "open",
        "value": 90.0,
        "gain": 0.0,
        "gain_low": -0.5,
        "gain_high": 0.5,
        "p_gain": 0.5,
        "n_seeds": 2,
        "costs": {**COSTS, "params_overhead": 5.0 * number},
    }
    return Point(**{**usual, **more})


def front(*points, **more):
    usual = {
        "run": "digits",
        "rules": Rules(DEFAULT),
        "points": points or (point(0), point(1)),
        "sigma": 0.3,
        "provable": 0.8,
        "confirmed": True,
        "under_way": False,
        "recommended": "a0",
        "likely": None,
        "counts": {"finished": 4},
    }
    return Front(**{**usual, **more})


def test_a_proof_is_worth_it_whatever_else_is_known():
    better = point(1, verdict="proven", gain=1.25, gain_low=0.5, gain_high=2.0, fresh_gain=1.5)
    assert front(point(0), better, recommended="a1", answer=Answer("worth it", 0.2, 0.99)).verdict == (
        "Worth it: placement 1 gains +1.25 points [+0.50, +2.00] over plain for +5.00 % parameters, "
        "proven on fresh seeds."
    )


def test_a_proof_of_less_than_what_is_worthwhile_says_so():
    small = point(1, verdict="proven", gain=0.125, gain_low=0.07, gain_high=0.18)
    worth = Answer("worth it", 0.2, 0.99)
    said = front(point(0), small, recommended="a1", answer=worth).verdict
    assert said.endswith(
        "proven on fresh seeds. The estimate is below the 0.2 points of search.worthwhile: judge whether it pays."
    )
    rules = Rules(DEFAULT, worthwhile=0.125)
    assert front(point(0), small, recommended="a1", answer=worth, rules=rules).verdict.endswith("on fresh seeds.")


def test_a_proof_over_a_limit_is_not_called_nothing():
    """Latency is predicted in the search, and measured at the end."""
    dear = point(1, verdict="proven", gain=1.0, allowed=False)
    assert front(point(0), dear).verdict == (
        "Undecided: placement 1 is proven better than plain, but is over a limit since it was measured alone. "
        "No placement of SE is likely better than plain."
    )


def test_what_share_of_a_gain_was_found_is_said_only_if_a_gain_is_expected():
    progress = Progress(0.5, 0.2, 0.8, 0.1, 0.3, 12.0, 188.0)
    insights = Insights((), progress, None)
    hopeful = [point(0), point(1, gain=-0.1, gain_low=-0.5, gain_high=0.3)]
    assert any("188 trainings would reach 90 %" in line for line in front(*hopeful, insights=insights).findings)
    spread = ["Placements differ by 0.10 points, trainings of one placement by 0.30."]
    no = Answer("likely not worth it", 0.2, 0.96)
    assert front(*hopeful, insights=insights, answer=no).findings == spread
    worse = point(1, gain=-1.0, gain_low=-1.5, gain_high=-0.5)
    assert front(point(0), worse, insights=insights).findings == spread


@pytest.mark.parametrize(
    ("probability", "words"), [(0.95, "95 %"), (0.9725, "97.2 %"), (0.9991, "99.9 %"), (1.0, "99.9 %")]
)
def test_likely_not_worth_it_says_how_likely_and_never_certainly(probability, words):
    no = Answer("likely not worth it", 0.25, probability)
    likely = point(1, gain=0.1, gain_low=0.01, gain_high=0.19)
    assert front(point(0), likely, likely="a1", answer=no).verdict == (
        f"Likely not worth it: with a probability of {words}, no placement gains more than 0.25 points over plain."
    )
    rules = Rules((Objective(metric="accuracy"), Objective(metric="params", limit=9.0)))
    assert "no placement within the limits gains more" in front(rules=rules, answer=no).verdict


def test_undecided_names_the_likeliest_and_how_many_trainings_would_decide_it():
    better = point(1, gain=1.25, gain_low=0.5, gain_high=2.0)
    undecided = Answer("undecided", 0.2, 0.3, more=1536)
    assert front(point(0), better, likely="a1", answer=undecided).verdict == (
        "Undecided: nothing is proven yet. Likely better than plain: placement 1 (+1.25 points [+0.50, +2.00]). "
        "About 1,536 more trainings would decide it with a chance of 80 %."
    )
    assert front().verdict == "Undecided: nothing is proven yet. No placement of SE is likely better than plain."
    both = front(answer=Answer("undecided", 0.2, 0.3, more=1536, more_even=192)).verdict
    assert both.endswith(
        "About 192 more trainings would decide it as likely as not, about 1,536 with a chance of 80 %."
    )
    even = front(answer=Answer("undecided", 0.2, 0.3, more_even=1086)).verdict
    assert even.endswith("About 1,086 more trainings would decide it as likely as not.")
    never = Answer("undecided", 0.2, 0.3, out_of_reach=True)
    assert front(answer=never).verdict.endswith("Not even 8,689 more trainings would probably decide it.")


def test_a_run_that_stopped_when_it_was_answered_says_so_while_it_is_true():
    stopped = Settled(64, "answered", 48)
    assert front(settled=stopped, counts={"finished": 48, "failed": 1}).ending == (
        "The run stopped after 48 of 64 trainings, because it has its answer; --trainings +N goes on."
    )
    assert front(settled=stopped, counts={"finished": 49}).ending == ""  # it was extended
    assert front(settled=Settled(64, "answered", 64), counts={"finished": 64}).ending == ""
    assert front(settled=Settled(64, "used", 48), counts={"finished": 48}).ending == ""
    assert front(counts={"finished": 48}).ending == ""
    counts = {"finished": 48, "paused": 35}
    assert front(settled=stopped, counts=counts, worth={"paused": 7.75}, used=55.75).ending == (
        "The run stopped after 55.8 of 64 trainings (48 whole ones, and parts of others), because it has its answer; "
        "--trainings +N goes on."
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("time", "because the time for them is over; a larger budget.time goes on"),
        ("exhausted", "because nothing is left that can be trained"),
    ],
)
def test_a_run_that_could_not_use_its_budget_says_why(reason, words):
    stopped = front(settled=Settled(64, reason, 48), counts={"finished": 48})
    assert stopped.ending == f"The run stopped after 48 of 64 trainings, {words}."
    assert front(settled=Settled(64, reason, 48), counts={"finished": 50}).ending == ""


def test_the_rule_names_level_and_tolerance():
    assert front().rule == "Recommended: plain, because no placement was proven better."
    rules = Rules(DEFAULT, level=0.8, tolerance=0.25)
    rule = front(point(0), point(1), recommended="a1", rules=rules).rule
    assert rule.startswith("Recommended: a1, the cheapest proven placement")
    assert "more than 0.25 points worse than the best is below 20 %" in rule


def test_power_says_what_could_be_proven():
    assert "only gains above about 0.80 points could usually be proven" in front().power
    # Beside a proof of 7 points it would have said that only 28 could be proven.
    lucky = replace(point(1), verdict="proven", gain=0.5)
    assert front(point(0), lucky, recommended="a1").power == ""
    assert front(point(0), replace(lucky, gain=0.9), recommended="a1").power
    # While a search goes on, and of an old run: whatever its budget.
    assert front(confirmed=False).power.endswith("with fresh seeds, so nothing is proven.")
    none = front(confirmed=False, settled=Settled(8, "used", 8)).power
    assert "No candidate was trained again" in none
    assert "a budget of 12 trainings or more" in none
    small = front(confirmed=False, settled=Settled(16, "used", 16), rules=Rules(DEFAULT, confirm=0.25))
    assert "a budget of 24 trainings or more" in small.power
    enough = Settled(64, "used", 64)
    assert "none had a chance of a proof" in front(confirmed=False, settled=enough).power
    no = Answer("likely not worth it", 0.2, 0.99)
    assert "no gain is likely to be worthwhile" in front(confirmed=False, settled=enough, answer=no).power
    assert "is being trained again" in front(confirmed=False, under_way=True).power
    assert "is being trained again" in front(under_way=True).power
    over = Settled(64, "time", 4)
    assert front(under_way=True, settled=over).power == (
        "The time was over before all pairs of the confirmation had ended; with more it continues."
    )
    used = Settled(64, "used", 4)
    assert front(under_way=True, settled=used).power.startswith("The budget was used before all pairs")
    assert "is being trained again" in front(under_way=True, settled=over, counts={"finished": 5}).power
    assert "check that the seed is used" in front(seeds_alike=True).power


def test_findings_name_what_is_alike_and_promise_no_proof():
    twin = point(2, on_front=True, alike="a0", gain=0.6, label="twin")
    other = point(1, on_front=True, alike="a2", costs={**COSTS, "params_overhead": 20.0})
    found = front(point(0), other, twin, likely="a2")
    assert found.findings == [
        "a2 is not measurably better than plain, which is cheaper.",
        "a1 is not measurably better than a2, which is cheaper.",
    ]
    assert front(point(0), twin).findings == ["a2 is not measurably better than plain, which is cheaper."]


def test_members_are_sorted_by_the_first_cost_of_the_objectives():
    dear = point(1, on_front=True, costs={**COSTS, "params_overhead": 9.0, "macs_overhead": 1.0})
    cheap = point(2, on_front=True, costs={**COSTS, "params_overhead": 3.0, "macs_overhead": 2.0})
    by_size = front(point(0), dear, cheap, point(3))
    assert [p.id for p in by_size.members] == ["a0", "a2", "a1"]
    rules = Rules((Objective(metric="accuracy"), Objective(metric="macs"), Objective(metric="params")))
    by_macs = front(point(0), dear, cheap, point(3), rules=rules)
    assert [p.id for p in by_macs.members] == ["a0", "a1", "a2"]
    assert by_macs.costs == ("macs_overhead", "params_overhead")


def test_a_point_is_found_by_its_id_and_a_wrong_one_gets_a_hint():
    found = front(*(point(n) for n in range(12)))
    assert found["a11"].number == 11
    assert (found["a3"].id, found[found.recommended].id, found.plain.id) == ("a3", "a0", "a0")
    with pytest.raises(UserError, match="no architecture `a12` in this run; it has a0 to a11") as caught:
        found["a12"]
    assert caught.value.hint.startswith("did you mean `a")
    assert caught.value.hint.endswith("`senet-search report digits` lists them")
    with pytest.raises(UserError) as caught:
        found["xyz"]
    assert caught.value.hint == "`senet-search report digits` lists them"


def test_a_cost_is_an_attribute_and_nothing_else_is():
    assert (point(1).params_overhead, point(1).latency_overhead) == (5.0, None)
    assert point(0).is_plain
    assert not point(1).is_plain
    with pytest.raises(AttributeError, match="no attribute `speed`"):
        point(1).speed  # noqa: B018


def test_the_measures_of_a_run_are_those_that_plain_has():
    assert [measure.name for measure in front().measures] == ["params", "macs"]
    assert set(MEASURES) > {"params", "macs"}


def test_front_json_keeps_its_keys_and_their_order():
    body = json.loads(front(test={"a0": 89.0}, provable=math.inf).to_json())
    assert list(body) == [
        "schema",
        "command",
        "run",
        "verdict",
        "answer",
        "recommended",
        "likely",
        "rule",
        "power",
        "ending",
        "confirmations",
        "sigma",
        "smallest_provable_gain",
        "trainings",
        "test",
        "findings",
        "insights",
        "objectives",
        "points",
    ]
    assert (body["schema"], body["smallest_provable_gain"], body["test"]) == (1, None, {"a0": 89.0})
    answer = {"kind": "undecided", "worthwhile": 0.2, "probability": None, "more": None, "out_of_reach": False}
    answer["more_even"] = None
    assert body["answer"] == answer
    assert json.loads(front().to_json())["smallest_provable_gain"] == 0.8
    keys = list(body["points"][1])
    assert keys[:11] == list(head("val_accuracy"))
    assert keys[11:15] == ["params", "params_overhead", "macs", "macs_overhead"]
    assert keys[-1] == "alike"
    assert "number" not in keys
    assert body["points"][1]["latency_overhead"] is None


def test_cells_of_a_spreadsheet_never_begin_like_a_formula():
    for first in "=+-@":
        assert f",'{first}cmd," in front(point(0, label=f"{first}cmd")).to_csv()
    text = front(point(0, label="a-b")).to_csv()
    assert ",a-b," in text
    assert ",-0.5," in text  # a number stays one
    assert text.count("\n") == 2


def test_without_insights_the_expected_score_is_not_known():
    assert math.isnan(front().expected_score)
    assert front().to_dict()["insights"] is None


def test_rules_have_the_defaults_of_the_documentation():
    rules = Rules(DEFAULT)
    assert (rules.level, rules.tolerance, rules.min_gain, rules.worthwhile) == (0.9, 0.1, 0.05, 0.2)
