import dataclasses
import json
import math
import random
import subprocess
import sys
from functools import partial

import pytest

from search.bench import score, searches
from search.bench.cells import summed
from search.bench.estimators import REPORTS
from search.bench.problems import named
from search.bench.runner import bench
from search.bench.score import Offer, Tally, points
from search.bench.searches import CURVE, SHARED, SHORT, search
from search.bench.trials import Spending, Trial
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observation
from search.planning.optuna_study import SAMPLERS
from search.planning.planner import Budget
from search.planning.samplers import Sampler
from search.results.answer import Answer
from spaces import UserError
from tests.search.killable import pausing


def test_following_a_front_earns_what_its_members_truly_hold():
    good = Offer(cost=2.0, claimed=1.0, true=0.8)
    assert points([good], 10) == pytest.approx(0.8 * 8 / 10)
    assert points([], 10) == 0
    assert points([Offer(20.0, 1.0, 1.0)], 10) == 0


def test_wrong_members_cost_and_more_of_the_same_earns_nothing():
    good, lucky = Offer(2.0, 1.0, 0.8), Offer(5.0, 2.0, -0.4)
    assert points([good, lucky], 10) == pytest.approx((0.8 * 3 - 0.4 * 5) / 10)
    assert points([good, Offer(5.0, 0.9, 0.9)], 10) == points([good], 10)
    assert points([Offer(3.0, -0.1, 0.5)], 10) == 0


def test_the_oracle_achieves_all():
    problem = named("synthetic:113:1")(0)
    offers, most = score.oracle(problem)
    best = points(offers, most)
    assert Tally([best], [best]).score == 1
    assert all(points(offers[i:], most) <= best + 1e-9 for i in range(0, 112, 10))


def test_searches_are_scored_together_so_that_a_problem_with_little_to_gain_decides_nothing():
    tally = Tally([0.5, -0.1], [1.0, 0.001])
    assert tally.score == pytest.approx(0.4 / 1.001)
    assert Tally([0.5, -0.1], None).score == pytest.approx(0.2)  # points


def test_an_interval_of_a_score_holds_it_and_a_comparison_is_paired():
    rng = random.Random(0)
    best = [rng.uniform(1, 2) for _ in range(200)]
    luck = [rng.gauss(0, 0.3) for _ in range(200)]
    worse, better = ([b * share + e for b, e in zip(best, luck, strict=True)] for share in (0.5, 0.6))
    low, high = Tally(worse, best).interval()
    assert low < Tally(worse, best).score < high
    assert 0.02 < high - low < 0.1
    difference, least, most = Tally(better, best).versus(Tally(worse, best))
    assert difference == pytest.approx(least) == pytest.approx(most) == pytest.approx(0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("table", ["synthetic:113:1", "benchmarks/tables/fashion113.csv.gz"])
def test_one_search_has_a_score_and_no_interval(table):
    found = bench(table, ["random", "tpe"], [16], 1, 1)
    for cell in found.to_dict()["cells"]:
        assert math.isfinite(cell["score"])
        assert cell["score_interval"] is None
        assert cell["correlation_interval"] is None
    difference = found.cells[1].score - found.cells[0].score
    assert found.to_dict()["cells"][1]["versus"] == [pytest.approx(difference, abs=1e-4), None, None]
    assert "nan" not in " ".join(found.lines())


@pytest.mark.filterwarnings("error")
def test_a_sample_of_searches_with_nothing_to_achieve_has_no_score():
    """Two problems, in one of which every placement loses: a quarter of the samples holds it alone."""
    tally = Tally([0.5, -0.1], [1.0, 0.0])
    assert tally.score == pytest.approx(0.4)
    assert all(map(math.isnan, tally.interval()))


def test_the_reference_knows_what_a_problem_was_made_with():
    problem = named("synthetic:113:1")(0)
    assert problem.known == HyperparameterGrid.known(sigma=0.3, tau_ratio=1.0, own_share=1 / 3)
    found = search(problem, "reference", [Budget(24)], 0)
    assert found.front.sigma == pytest.approx(0.3)
    assert search(problem, "knowledge_gradient", [Budget(24)], 0).front.sigma != pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_finds_what_is_far_above_the_noise(name):
    rng = random.Random(0)
    gains = {0: 0.0, 1: 2.0, 2: -1.0, 3: 0.5}
    seen = [Observation(a, 0, 90 + g + rng.gauss(0, 0.1)) for a, g in gains.items() for _ in range(6)]
    found = REPORTS[name](seen)
    assert found == pytest.approx(gains, abs=0.25)
    assert found[0] == 0


@pytest.mark.parametrize("name", ["blocks", "averaged"])
def test_reports_with_blocks_are_not_misled_by_an_unlucky_block(name):
    rng = random.Random(1)
    seen = [Observation(0, 0, 90 + rng.gauss(0, 0.1)) for _ in range(8)] + [
        Observation(1, b, 90 + 3 * b + rng.gauss(0, 0.1)) for b in (0, 1) for _ in range(8)
    ]
    assert abs(REPORTS[name](seen)[1]) < 0.2
    assert REPORTS["observed"](seen)[1] > 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_unchanged_search_runs_over_a_problem(sampler):
    problem = named("synthetic:113:1")(1)
    budgets = [Budget(32, stops_when_answered=False)]
    found = search(problem, sampler, budgets, 1)
    assert found.front.counts == {"finished": 32}
    assert found.trainings == 32
    assert found.front.confirmed
    again = search(problem, sampler, budgets, 1)
    assert again.front.to_json() == found.front.to_json()
    honest = score.honesty(found.front, problem)
    assert 0 <= honest.covered <= honest.intervals
    assert honest.likely_wrong <= honest.likely


def test_the_model_with_curves_searches_and_reports_otherwise():
    problem = named("synthetic:113:1::strong")(1)
    budgets = [Budget(32, stops_when_answered=False)]
    found = [search(problem, f"knowledge_gradient{model}", budgets, 1) for model in ("", CURVE)]
    assert [one.front.rules.curves for one in found] == [False, True]
    assert found[0].keys != found[1].keys
    bare = search(named("synthetic:113:1")(1), f"knowledge_gradient{CURVE}", budgets, 1)
    assert bare.keys == found[0].keys


def test_samplers_meet_the_same_problems_and_are_compared_with_the_first():
    found = bench("synthetic:113:1", ["random", "tpe"], [32], 3, 1)
    tables = [line for line in found.lines() if line.startswith(("sampler ", "random ", "tpe "))]
    assert len(tables) == 3 * 3 + 2  # three tables, and a sentence on other ways to report for each
    assert max(len(line) for line in tables if "N=" not in line) <= 80
    assert "nan" not in " ".join(tables).split()
    first, second = found.cells
    assert (first.versus, found.unit) == (None, "S")
    assert second.versus[0] == pytest.approx(second.score - first.score)
    assert second.versus[1] <= second.versus[0] <= second.versus[2]
    assert set(first.by_report) == {"search", *REPORTS}
    assert json.loads(json.dumps(found.to_dict()))["cells"][0]["searches"] == 3
    assert bench("synthetic:113:1", ["random"], [32], 3, 1).cells[0].score == first.score


def test_a_choice_can_be_judged_in_problems_at_which_nobody_looked():
    (both,) = bench("synthetic:113:1", ["random"], [16], 2, 1).cells
    (second,) = (found := bench("synthetic:113:1", ["random"], [16], 1, 1, first=1)).cells
    (alone,) = bench("synthetic:113:1", ["random"], [16], 1, 1).cells
    assert (found.to_dict()["first"], second.searches) == (1, 1)
    assert second.score != alone.score
    assert min(alone.score, second.score) <= both.score <= max(alone.score, second.score)


def test_where_nothing_can_be_gained_points_are_told():
    found = bench("synthetic:113:1:null", ["random"], [32], 2, 1)
    assert found.unit == "points"
    assert found.cells[0].score == 0
    assert found.cells[0].searches_with_true_proof == 0


def test_a_search_can_be_extended_and_can_stop_when_it_is_answered():
    """Budgets of 24, 40 and 72; the gains of this table are far above its noise."""
    assert Spending(extensions=(16, 32)).budgets(24) == [
        Budget(total, stops_when_answered=False) for total in (24, 40, 72)
    ]
    assert Spending(True).budgets(24) == [Budget(24)]
    problem = named("synthetic:113:3")(0)
    whole = search(problem, "random", Spending(extensions=(16, 32)).budgets(24), 0)
    assert (whole.trainings, len(whole.observations)) == (72, 72)
    stopped = search(problem, "random", Spending(True).budgets(64), 0)
    assert stopped.front.answer.kind == "worth it"
    assert stopped.trainings < 64


def test_a_cell_says_how_many_trainings_were_used_and_how_often_a_search_said_no():
    """In a table where every placement loses, no search says it wrongly."""
    (cell,) = bench("synthetic:113:0.4:null-below", ["random"], [96], 3, 1, spending=Spending(True)).cells
    assert cell.said_no >= 1
    assert cell.said_no_wrongly == 0
    assert 0.95 <= cell.p_no <= 1
    assert cell.used <= 96
    (unused,) = bench("synthetic:113:1", ["random"], [16], 1, 1).cells
    assert (unused.used, unused.said_no) == (16.0, 0)


def test_a_no_is_wrong_where_a_placement_gains_as_much_as_is_worthwhile():
    honesty = score.Honesty(*[0] * len(dataclasses.fields(score.Honesty)))

    def trial(number, kind, largest):
        answer = Answer(kind, 0.2, 0.97)
        return Trial(number, "random", 64, {"search": 0.0}, 1.0, 0.5, honesty, 0.1, 64 - number, answer, largest)

    no = "likely not worth it"
    trials = [trial(0, no, 0.19), trial(1, no, 0.2), trial(2, no, 0.5), trial(3, "undecided", 0.5)]
    cell = summed(trials, "random", 64, "random")
    assert (cell.said_no, cell.said_no_wrongly) == (3, 2)
    assert cell.p_no == pytest.approx(0.97)
    assert cell.used == 62.5


@pytest.mark.parametrize(("sampler", "trainings"), [("tpee", [32]), ("tpe", [3]), ("tpe", [])])
def test_what_cannot_be_run_is_told(sampler, trainings):
    with pytest.raises(UserError):
        bench("synthetic:113:1", [sampler], trainings, 1, 1)


@pytest.mark.parametrize(
    ("sampler", "trainings", "says", "hint"),
    [
        ("random", 64, "`random` chooses whole trainings only", "knowledge_gradient+curve+short"),
        ("auto", 400, "`auto` chooses whole trainings only, at least with 400", "knowledge_gradient+curve+short"),
        ("knowledge_gradient", 16, "a search may use 8 of 16 trainings, and the first 16 are whole", "more trainings"),
    ],
)
def test_pauses_that_can_never_come_are_refused_as_in_a_run(sampler, trainings, says, hint):
    """They were accepted, and their cells looked like measurements of pauses."""
    with pytest.raises(UserError) as caught:
        bench("synthetic:113:1::strong", [sampler + CURVE + SHORT], [trainings], 1, 1)
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert "without +short" in caught.value.hint


def test_a_shared_network_leaves_less_for_trainings_that_may_pause():
    table, pausing = "benchmarks/tables/fashion113.csv.gz", "knowledge_gradient" + CURVE + SHORT
    problem = named(table)(0)
    searches.check(problem, pausing, table, 34)
    with pytest.raises(UserError, match="and the first 16 are whole"):
        searches.check(problem, pausing + SHARED, table, 34)


def test_no_ray_torch_or_mlflow_is_needed():
    script = """
import sys
from search.bench.runner import bench
bench("synthetic:113:0.6", ["random"], [16], 1, 1)
print(sorted({"ray", "torch", "mlflow"} & sys.modules.keys()))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("table", ["synthetic:113:1::strong", "benchmarks/tables/fashion113.csv.gz"])
def test_trainings_pause_on_problems_with_curves_and_count_their_share(monkeypatch, table):
    monkeypatch.setitem(SAMPLERS, "pausing", Sampler(partial(pausing, epochs=8), replicates=True, pauses=True))
    lengths, train = {}, searches._train

    def noted(problem, assignment):
        lengths[assignment.uid] = (assignment.until or 8) / 8
        return train(problem, assignment)

    monkeypatch.setattr(searches, "_train", noted)
    found = search(named(table)(0), "pausing" + CURVE + SHORT, [Budget(20, confirm=0.25, stops_when_answered=False)], 0)
    assert found.front.counts["paused"] > 0
    assert found.trainings == pytest.approx(sum(lengths.values()))
    assert 19 < found.trainings <= 20
    whole = [o for o in found.observations if math.isfinite(o.accuracy)]
    assert found.front.counts["finished"] == len(whole) < 20
    assert found.front.counts["paused"] == len(found.observations) - len(whole)


def test_no_training_pauses_within_the_warm_up_of_its_table():
    problem = named("benchmarks/tables/local121.csv.gz")(100)
    assert problem.warmup == 1
    found = search(problem, "knowledge_gradient" + CURVE + SHORT, [Budget(36)], 0)
    assert {len(o.losses) for o in found.observations if math.isnan(o.accuracy)} == {2}


@pytest.mark.parametrize("table", ["synthetic:113:1::strong", "synthetic:113:1"])
def test_a_sampler_that_chooses_no_length_has_whole_trainings_alone(table):
    curve, short = (search(named(table)(0), "random" + suffix, [Budget(12)], 0) for suffix in (CURVE, CURVE + SHORT))
    assert short.observations == curve.observations
