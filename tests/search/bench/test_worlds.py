import gzip
import json
import math
import statistics

import pytest

from search.bench import worlds
from search.bench.worlds import SIGMA, TWISTS, Real, named
from search.evaluators import Table
from senet_nas.recipe import Seed
from spaces import UserError


@pytest.mark.parametrize(("name", "size"), [("113", 113), ("721", 721), ("9985", 9985)])
def test_spaces_have_the_size_of_their_name(name, size):
    assert worlds.SPACES[name]().size == size


@pytest.mark.parametrize("tau", [0.2, 1.5])
def test_true_gains_have_the_spread_that_was_asked_for(tau):
    world = named(f"synthetic:113:{tau}")(3)
    gains = [world.truth(a) for a in world.space]
    assert gains[0] == 0
    assert statistics.pstdev(gains[1:]) == pytest.approx(tau * SIGMA)


def test_a_world_is_the_same_whenever_it_is_made_and_another_for_another_number():
    one, again, other = (named("synthetic:113:0.6")(number) for number in (1, 1, 2))
    member = one.space[50]
    assert one.accuracy(member, Seed(3, 1)) == again.accuracy(member, Seed(3, 1))
    assert one.accuracy(member, Seed(3, 1)) != one.accuracy(member, Seed(3, 2))
    assert one.truth(member) != other.truth(member)


def test_noise_and_blocks_are_what_they_are_said_to_be():
    world = named("synthetic:113:0")(0)
    member = world.space[7]
    within = [world.accuracy(member, Seed(0, r)) for r in range(2000)]
    assert statistics.pstdev(within) == pytest.approx(SIGMA, rel=0.06)
    levels = [statistics.fmean(world.accuracy(member, Seed(b, r)) for r in range(40)) for b in range(200)]
    assert statistics.pstdev(levels) == pytest.approx(worlds.BLOCK, rel=0.15)


@pytest.mark.parametrize("twist", TWISTS)
def test_every_twist_makes_a_world(twist):
    world = named(f"synthetic:113:1:{twist}" if twist else "synthetic:113:1")(0)
    gains = [world.truth(a) for a in world.space]
    accuracies = [world.accuracy(world.space[5], Seed(0, r)) for r in range(50)]
    assert all(math.isfinite(value) for value in [*gains, *accuracies])
    assert (twist == "null") == all(gain == 0 for gain in gains)
    assert (twist in ("null", "null-below")) == (max(gains) == 0)


def test_heavy_tails_keep_the_variance_and_have_outliers():
    world = named("synthetic:113:0:heavy-tails")(0)
    drawn = [world.accuracy(world.space[1], Seed(0, r)) for r in range(20_000)]
    centre = statistics.median(drawn)
    assert statistics.pstdev(drawn) == pytest.approx(SIGMA, rel=0.25)
    assert sum(abs(value - centre) > 4 * SIGMA for value in drawn) > 40


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("synthetic:114:1", "space"),
        ("synthetic:113:x", "no number"),
        ("synthetic:113:1:odd", "twist"),
        ("none.csv", "no table"),
    ],
)
def test_a_wrong_name_is_told(name, part):
    with pytest.raises(UserError, match=part):
        named(name)


@pytest.fixture
def table(tmp_path):
    """57 architectures of a small space, eight blocks: accuracy says architecture and block."""
    space = worlds._space(3, reduction=(4, 16), position=("pre_addition", "post_addition"), squeeze=("avg", "max"))
    lines = ["architecture,seed,epoch,val_accuracy,params,macs"]
    for i, architecture in enumerate(space):
        lines += [f"{architecture.key},{b},1,{50 + i / 10 + 10 * b:.2f},{1000 + i},{2000 + i}" for b in range(8)]
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    sites = [{"name": s.name, "stage": s.stage, "channels": dict(s.channels)} for s in space.sites]
    spec = {"reduction": [4, 16], "position": ["pre_addition", "post_addition"], "squeeze": ["avg", "max"]}
    path.with_name("table.csv.gz.json").write_text(json.dumps({"backbone": "synthetic", "sites": sites, "space": spec}))
    return path


def test_seeds_that_score_are_never_drawn_and_are_rotated(table):
    divisions = set()
    for number in range(20):
        world = Real(Table(table), number)
        drawn, scored = world._halves
        assert not set(drawn) & set(scored)
        assert len(drawn) == len(scored) == 4
        assert list(world.seeds(world.space[3])) == drawn
        divisions.add(tuple(drawn))
    assert len(divisions) > 10


def test_a_real_world_gives_what_the_table_says(table):
    world = named(str(table))(0)
    member = world.space[20]
    assert world.accuracy(member, Seed(2)) == pytest.approx(50 + 2 + 20)
    assert world.truth(member) == pytest.approx(2.0)
    assert world.price(member)["params_overhead"] == pytest.approx(2.0)


def test_permuted_blocks_hold_the_same_values_and_no_truth(table):
    world = named(f"permuted:{table}")(0)
    for block in range(8):
        values = sorted(world.accuracy(a, Seed(block)) for a in world.space)
        assert values == pytest.approx([50 + i / 10 + 10 * block for i in range(57)])
    assert world.truth(world.space[20]) == 0
    assert [world.accuracy(world.space[1], Seed(b)) - 10 * b for b in range(8)] != pytest.approx([50.1] * 8)
