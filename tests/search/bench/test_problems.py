import gzip
import json
import math
import statistics

import numpy as np
import pytest

from search.bench import synthetic
from search.bench.measured_curves import measured
from search.bench.problems import named
from search.bench.real import Real
from search.bench.synthetic import SIGMA, TWISTS
from search.execute.result_table import Table
from senet_nas.recipe import Seed
from spaces import UserError


@pytest.mark.parametrize(("name", "size"), [("113", 113), ("721", 721), ("9985", 9985)])
def test_spaces_have_the_size_of_their_name(name, size):
    assert synthetic.SPACES[name]().size == size


@pytest.mark.parametrize("tau", [0.2, 1.5])
def test_true_gains_have_the_spread_that_was_asked_for(tau):
    problem = named(f"synthetic:113:{tau}")(3)
    gains = [problem.truth(a) for a in problem.space]
    assert gains[0] == 0
    assert statistics.pstdev(gains[1:]) == pytest.approx(tau * SIGMA)


def test_a_problem_is_the_same_whenever_it_is_made_and_another_for_another_number():
    one, again, other = (named("synthetic:113:0.6")(number) for number in (1, 1, 2))
    member = one.space[50]
    assert one.accuracy(member, Seed(3, 1)) == again.accuracy(member, Seed(3, 1))
    assert one.accuracy(member, Seed(3, 1)) != one.accuracy(member, Seed(3, 2))
    assert one.truth(member) != other.truth(member)


def test_noise_and_blocks_are_what_they_are_said_to_be():
    problem = named("synthetic:113:0")(0)
    member = problem.space[7]
    within = [problem.accuracy(member, Seed(0, r)) for r in range(2000)]
    assert statistics.pstdev(within) == pytest.approx(SIGMA, rel=0.06)
    levels = [statistics.fmean(problem.accuracy(member, Seed(b, r)) for r in range(40)) for b in range(200)]
    assert statistics.pstdev(levels) == pytest.approx(synthetic.BLOCK, rel=0.15)


@pytest.mark.parametrize("twist", TWISTS)
def test_every_twist_makes_a_problem(twist):
    problem = named(f"synthetic:113:1:{twist}" if twist else "synthetic:113:1")(0)
    gains = [problem.truth(a) for a in problem.space]
    accuracies = [problem.accuracy(problem.space[5], Seed(0, r)) for r in range(50)]
    assert all(math.isfinite(value) for value in [*gains, *accuracies])
    assert (twist == "null") == all(gain == 0 for gain in gains)
    assert (twist == "min-gain") == all(gain == 0.05 for gain in gains[1:])
    assert (twist in ("null", "null-below")) == (max(gains) == 0)


def test_heavy_tails_keep_the_variance_and_have_outliers():
    problem = named("synthetic:113:0:heavy-tails")(0)
    drawn = [problem.accuracy(problem.space[1], Seed(0, r)) for r in range(20_000)]
    centre = statistics.median(drawn)
    assert statistics.pstdev(drawn) == pytest.approx(SIGMA, rel=0.25)
    assert sum(abs(value - centre) > 4 * SIGMA for value in drawn) > 40


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("synthetic:114:1", "space"),
        ("synthetic", "`synthetic:` lacks SPACE"),
        ("synthetic::1", "`synthetic::1` lacks SPACE"),
        ("synthetic:113", "`synthetic:113` lacks TAU"),
        ("synthetic:113::null", "`synthetic:113::null` lacks TAU"),
        ("synthetic:113:x", "no number"),
        ("synthetic:113:-1", "TAU is -1; it must be a number from 0 to 3"),
        ("synthetic:113:nan", "TAU is nan; it must be a number from 0 to 3"),
        ("synthetic:113:inf", "TAU is inf; it must be a number from 0 to 3"),
        ("synthetic:113:1e6", "TAU is 1e6; it must be a number from 0 to 3"),
        ("synthetic:113:1:odd", "twist"),
        ("synthetic:113:1::odd", "curve"),
        ("none.csv", "no table"),
    ],
)
def test_a_wrong_name_is_told(name, part):
    with pytest.raises(UserError, match=part):
        named(name)


@pytest.mark.parametrize("name", ["synthetic", "synthetic:113", "synthetic:113:-1", "synthetic:113:x"])
def test_the_form_of_a_name_is_shown(name):
    with pytest.raises(UserError) as caught:
        named(name)
    assert "synthetic:SPACE:TAU[:TWIST[:CURVE]], for example synthetic:113:0.6" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("synthetic:113:0.4:strong", "write synthetic:113:0.4::strong:"),
        ("synthetic:113:0.4:as-local121", "write synthetic:113:0.4::as-local121:"),
        ("synthetic:113:0.4::null", "write synthetic:113:0.4:null:"),
        ("synthetic:113:0.4:strong:null", "write synthetic:113:0.4:null:strong:"),
        ("synthetic:113:0.4:stron", None),
        ("synthetic:113:0.4:strong:weak", None),
        ("synthetic:113:0.4:strong:odd", None),
    ],
)
def test_a_twist_or_curve_in_the_place_of_the_other_is_written_where_it_belongs(name, meant):
    with pytest.raises(UserError, match="unknown") as caught:
        named(name)
    assert caught.value.hint.startswith(meant) if meant else "write" not in caught.value.hint


@pytest.mark.parametrize("tau", ["0", "-0.0", "0.4", "1e-3", "3"])
def test_tau_may_be_any_number_from_nothing_to_the_largest(tau):
    problem = named(f"synthetic:113:{tau}")(0)
    assert statistics.pstdev([problem.truth(a) for a in problem.space][1:]) == pytest.approx(abs(float(tau)) * SIGMA)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("{}/lokal.csv.gz", "{}/local.csv.gz"),
        ("permuted:{}/lokal.csv.gz", "permuted:{}/local.csv.gz"),
        ("permutd:{}/local.csv.gz", "permuted:{}/local.csv.gz"),
        ("synthetc:113:0.6", "synthetic:113:0.6"),
    ],
)
def test_a_misspelt_table_is_answered_with_the_nearest_one(tmp_path, name, meant):
    for file in ("local.csv.gz", "other.csv", "lokal.csv.gz.json"):
        (tmp_path / file).touch()
    with pytest.raises(UserError) as caught:
        named(name.format(tmp_path))
    assert f"did you mean `{meant.format(tmp_path)}`? Otherwise write a file, or synthetic:" in caught.value.hint


def values(i, block):
    """Accuracies of the tests' table: terms of architecture and block, and noise. Plain has three in each block."""
    noise = ((7 * i + 3 * block) % 5 - 2) / 10
    return [20 + i / 10 + 10 * block + noise * (1 - 2 * replicate) for replicate in range(3 if i == 0 else 1)]


@pytest.fixture
def table(tmp_path):
    """57 architectures of a small space, eight blocks."""
    space = synthetic._space(3, reduction=(4, 16), position=("pre_addition", "post_addition"), squeeze=("avg", "max"))
    lines = ["architecture,seed,epoch,val_accuracy,params,macs"]
    for i, architecture in enumerate(space):
        lines += [
            f"{architecture.key},{b}.{r},1,{value:.2f},{1000 + i},{2000 + i}"
            for b in range(8)
            for r, value in enumerate(values(i, b))
        ]
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    sites = [{"name": s.name, "stage": s.stage, "channels": dict(s.channels)} for s in space.sites]
    spec = {"reduction": [4, 16], "position": ["pre_addition", "post_addition"], "squeeze": ["avg", "max"]}
    path.with_name("table.csv.gz.json").write_text(json.dumps({"backbone": "synthetic", "sites": sites, "space": spec}))
    return path


def drawn(problem, i):
    member = problem.space[i]
    return [problem.accuracy(member, seed) for seed in problem.seeds(member)]


def test_blocks_that_score_are_never_drawn_and_are_rotated(table):
    divisions = set()
    for number in range(20):
        problem = Real(Table(table), number)
        to_draw, to_score = problem._halves
        assert to_draw.isdisjoint(to_score)
        assert len(to_draw) == len(to_score) == 4
        divisions.add(tuple(sorted(to_draw)))
    assert len(divisions) > 10


def test_a_search_draws_what_the_table_says_without_the_level_of_the_block(table):
    problem = named(str(table))(0)
    levels = [statistics.fmean(values(i, b)[0] for i in range(57)) for b in range(8)]
    middle = statistics.fmean(levels)
    expected = {i: {b: [y - levels[b] + middle for y in values(i, b)] for b in range(8)} for i in (0, 20)}
    to_draw, to_score = problem._halves
    assert drawn(problem, 20) == pytest.approx([expected[20][b][0] for b in sorted(to_draw)])
    assert len(drawn(problem, 0)) == 12
    truth = statistics.fmean(expected[20][b][0] for b in to_score) - statistics.fmean(
        y for b in to_score for y in expected[0][b]
    )
    assert problem.truth(problem.space[20]) == pytest.approx(truth)
    assert problem.price(problem.space[20])["params_overhead"] == pytest.approx(2.0)


def test_a_permuted_table_holds_the_same_values_elsewhere_and_no_truth(table):
    real, mixed = named(str(table))(0), named(f"permuted:{table}")(0)
    one, other = ([y for i in range(57) for y in drawn(problem, i)] for problem in (real, mixed))
    assert sorted(one) == pytest.approx(sorted(other))
    assert one != pytest.approx(other)
    assert mixed.truth(mixed.space[20]) == mixed.doubt(mixed.space[20]) == 0


def test_a_measured_truth_says_how_much_it_is_in_doubt(table):
    problem = named(str(table))(0)
    noise = [[((7 * i + 3 * b) % 5 - 2) / 10 for b in range(8)] for i in range(57)]
    columns = [statistics.fmean(row[b] for row in noise) for b in range(8)]
    left = [[y - columns[b] for b, y in enumerate(row)] for row in noise]
    sigma = math.sqrt(sum((y - statistics.fmean(row)) ** 2 for row in left for y in row) / (56 * 7))
    assert problem.doubt(problem.space[20]) == pytest.approx(sigma * math.sqrt(1 / 4 + 1 / 12))
    assert problem.doubt(problem.space[0]) == 0
    assert named("synthetic:113:1")(0).doubt(problem.space[20]) == 0


def without(table, *columns):
    """The same table without some columns."""
    rows = [line.split(",") for line in gzip.decompress(table.read_bytes()).decode().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if name not in columns]
    table.write_bytes(gzip.compress("\n".join(",".join(row[i] for i in kept) for row in rows).encode()))
    return table


def test_a_table_of_somebody_else_needs_only_the_cost_that_is_traded_off(table):
    """Fault 32: without the column macs, bench ended with an AssertionError."""
    problem = Real(Table(without(table, "macs")), 0)
    assert problem.price(problem.space[1])["params_overhead"] == pytest.approx(0.1)
    with pytest.raises(UserError, match=r"needs the columns params and macs \(or only those") as caught:
        Real(Table(without(table, "params")), 0)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"space": None}, "`space` is missing"),
        ({"backbone": None}, "`backbone` is missing"),
        ({"space": {"ratio": [16]}}, "space.ratio: unknown key"),
        ({"space": {"reduction": [4, 8, 16], "position": ["pre_addition"]}}, "lacks .* of its space"),
    ],
)
def test_a_table_that_cannot_be_searched_says_what_it_lacks(table, change, says):
    beside = table.with_name("table.csv.gz.json")
    about = {**json.loads(beside.read_text()), **change}
    beside.write_text(json.dumps({name: value for name, value in about.items() if value is not None}))
    with pytest.raises(UserError, match=says):
        Real(Table(table), 0)


def test_a_table_of_one_block_cannot_score(table):
    rows = gzip.decompress(table.read_bytes()).decode().splitlines()
    table.write_bytes(gzip.compress("\n".join([rows[0], *(row for row in rows if ",0." in row)]).encode()))
    with pytest.raises(UserError, match="one block"):
        Real(Table(table), 0)


# -- loss curves ------------------------------------------------------------------------------------------------------


def first_losses(problem, block=0, replicates=1):
    """The mean logarithm of the loss of the first epoch of each architecture."""
    return [
        statistics.fmean(math.log(problem.losses(a, Seed(block, r))[0]) for r in range(replicates))
        for a in problem.space
    ]


def correlation_of(problem, **how):
    gains = [problem.truth(a) for a in problem.space]
    return np.corrcoef(gains[1:], first_losses(problem, **how)[1:])[0, 1]


@pytest.mark.parametrize(
    ("curve", "least", "most"),
    [("strong", -0.95, -0.8), ("weak", -0.7, -0.5), ("nothing", -0.1, 0.1), ("not-at-the-top", -0.9, -0.5)],
)
def test_losses_go_with_gains_as_much_as_their_kind_says(curve, least, most):
    assert least < correlation_of(named(f"synthetic:113:0.4::{curve}")(3), replicates=4) < most


def test_not_at_the_top_losses_tell_nothing_of_the_better_half():
    problem = named("synthetic:113:0.4::not-at-the-top")(3)
    gains = np.array([problem.truth(a) for a in problem.space])[1:]
    shown = np.array(first_losses(problem, replicates=4))[1:]
    better = gains > np.median(gains)
    assert abs(np.corrcoef(gains[better], shown[better])[0, 1]) < 0.35
    assert np.corrcoef(gains[~better], shown[~better])[0, 1] < -0.6


def test_by_block_losses_tell_something_in_some_blocks_alone():
    problem = named("synthetic:113:0.4::by-block")(3)
    found = [correlation_of(problem, block=block) for block in range(8)]
    assert min(found) < -0.75
    assert max(found) > -0.2


def test_in_the_reversed_stage_losses_rise_with_gains():
    problem = named("synthetic:113:0.4::reversed-stage")(3)
    first = [a for a in problem.space if a.blocks[0] is not None and not any(a.blocks[1:])]
    gains = [problem.truth(a) for a in first]
    shown = [math.log(problem.losses(a, Seed(0))[0]) for a in first]
    whole = named("synthetic:113:0.4::strong")(3)
    straight = [math.log(whole.losses(a, Seed(0))[0]) for a in first]
    assert np.corrcoef(gains, shown)[0, 1] > np.corrcoef(gains, straight)[0, 1] + 0.5


def test_what_learns_late_shows_its_gain_in_late_losses_alone():
    problem = named("synthetic:113:0.4::learns-late")(3)
    members = list(problem.space)
    gains = [problem.truth(a) for a in members]
    late = [statistics.fmean(math.log(problem.losses(a, Seed(0, r))[-1]) for r in range(16)) for a in members]
    early = first_losses(problem, replicates=16)
    left = np.array(late) - np.polyval(np.polyfit(early, late, 1), early)
    assert np.corrcoef(gains[1:], left[1:])[0, 1] < -0.7
    assert abs(correlation_of(problem)) < 0.3


@pytest.mark.parametrize(("curve", "expected"), [("strong", -0.85), ("unrelated", 0.0)])
def test_noise_of_late_losses_goes_with_that_of_accuracy(curve, expected):
    problem = named(f"synthetic:113:0.4::{curve}")(0)
    member = problem.space[3]
    drawn = [
        (problem.accuracy(member, Seed(0, r)), math.log(problem.losses(member, Seed(0, r))[-1])) for r in range(800)
    ]
    assert np.corrcoef(np.array(drawn).T)[0, 1] == pytest.approx(expected, abs=0.08)
    assert len(problem.losses(member, Seed(0))) == 8


@pytest.mark.parametrize("name", measured())
def test_curves_as_a_table_has_them_vary_as_the_table_says(name):
    """Of each epoch, the spread between architectures and between trainings, and the correlations with accuracy."""
    kind = measured()[name]
    problem = named(f"synthetic:113:0.4::{name}")(1)
    members = list(problem.space)[1:]
    gains = [problem.truth(a) for a in members]
    effects = np.array([np.log([problem.losses(a, Seed(0, r)) for r in range(24)]).mean(axis=0) for a in members])
    spread = np.sqrt(kind.gain**2 + (kind.apart**2).sum(axis=1))
    assert effects.std(axis=0) == pytest.approx(spread, rel=0.35)
    genetic = np.array([np.corrcoef(gains, column)[0, 1] for column in effects.T])
    assert genetic == pytest.approx(kind.gain / spread, abs=0.25)
    member = problem.space[3]
    seeds = [Seed(0, r) for r in range(400)]
    logs = np.log([problem.losses(member, seed) for seed in seeds])
    accuracies = [problem.accuracy(member, seed) for seed in seeds]
    noise = np.sqrt(kind.noise**2 + (kind.own**2).sum(axis=1))
    assert logs.std(axis=0) == pytest.approx(noise, rel=0.15)
    shared = [np.corrcoef(accuracies, column)[0, 1] for column in logs.T]
    assert shared == pytest.approx(kind.noise / noise, abs=0.15)
    levels = np.log([problem.losses(problem.space[0], Seed(b)) for b in range(300)]).mean(axis=0)
    assert levels == pytest.approx(kind.usual, abs=0.02)


def test_curves_change_no_accuracy_and_are_none_unless_named():
    bare, curved = named("synthetic:113:0.4")(5), named("synthetic:113:0.4::strong")(5)
    member = bare.space[40]
    assert bare.accuracy(member, Seed(1, 2)) == curved.accuracy(member, Seed(1, 2))
    assert bare.losses(member, Seed(1, 2)) == ()


def test_a_table_gives_the_losses_of_the_same_training():
    problem = named("benchmarks/tables/fashion113.csv.gz")(0)
    member = problem.space[7]
    seeds = problem.seeds(member)
    assert all(len(problem.losses(member, seed)) == 8 for seed in seeds)
    assert len({tuple(problem.losses(member, seed)) for seed in seeds}) == len(seeds)
    mixed = named("permuted:benchmarks/tables/fashion113.csv.gz")(0)
    pairs = [(p.accuracy(a, s), p.losses(a, s)[-1]) for p in (problem, mixed) for a in p.space for s in p.seeds(a)]
    half = len(pairs) // 2
    assert np.array(sorted(pairs[:half])) == pytest.approx(np.array(sorted(pairs[half:])))


def test_a_table_without_losses_has_no_curves(table):
    problem = named(str(table))(0)
    assert list(problem.losses(problem.space[3], Seed(0, 0))) == []
