import numpy as np
import pytest

from search.bench import runner, table_noise
from search.bench.problems import named
from search.bench.score import Tally
from search.bench.table_noise import Followed, TableScores, correlations
from search.bench.trials import Spending, trial
from tests.search.bench.small_tables import rows, write

FASHION = "benchmarks/tables/fashion113.csv.gz"
ARCHITECTURES, BLOCKS, SEARCHES = 40, 8, 60


def table(seed, architecture=0.0, block=0.0, noise=0.0):
    """Searches that each follow two of the architectures, over gains with these standard deviations around 0."""
    rng = np.random.default_rng(seed)
    rows = architecture * rng.normal(size=(ARCHITECTURES, 1)) + block * rng.normal(size=BLOCKS)
    gains = rows + noise * rng.normal(size=(ARCHITECTURES, BLOCKS))
    return [one_search(rng, gains) for _ in range(SEARCHES)]


def one_search(rng, gains):
    drawn = rng.permutation(BLOCKS)[: BLOCKS // 2]
    shares = np.zeros(ARCHITECTURES)
    shares[rng.choice(ARCHITECTURES, 2, replace=False)] = 0.5
    seen = gains.copy()
    seen[:, drawn] = np.nan
    return Followed(shares, gains[:, drawn].mean(axis=1), seen)


def scores(found):
    return [float(one.shares @ np.nanmean(one.gains, axis=1)) for one in found]


def points_interval(found):
    scored = TableScores(found)
    return scored.interval(np.mean(scores(found)), scored.points())


@pytest.mark.parametrize("sample", ["architecture", "block", "noise"])
def test_an_interval_holds_the_score_that_other_tables_would_give_and_one_over_searches_does_not(monkeypatch, sample):
    """The gains of all tables are 0 in the mean, so 0 is what the searches are worth."""
    monkeypatch.setattr(table_noise, "DRAWS", 300)
    found = [table(seed, **{sample: 1.0}) for seed in range(40)]
    wide = [points_interval(one) for one in found]
    narrow = [Tally(scores(one), None).interval() for one in found]
    assert sum(low <= 0 <= high for low, high in wide) >= 33
    assert np.mean([high - low for low, high in wide]) > np.mean([high - low for low, high in narrow])


def test_two_samplers_are_compared_on_the_same_samples():
    """All of the second sampler's placements gain 0.1 points more: a level of the table that both share cancels."""
    one = table(0, block=1.0)
    better = [Followed(f.shares, f.means, f.gains + 0.1) for f in one]
    scored = TableScores(one)
    low, high = scored.interval(0.1, TableScores(better).points() - scored.points())
    assert low < 0.1 < high
    assert high - low < 0.2 * np.ptp(points_interval(one))


def test_a_correlation_is_that_of_the_weighted_architectures():
    rng = np.random.default_rng(0)
    ones, others = rng.normal(size=(2, 3, 30))
    weights = rng.integers(0, 3, 30).astype(float)
    repeated = np.repeat(np.arange(30), weights.astype(int))
    expected = [np.corrcoef(one[repeated], other[repeated])[0, 1] for one, other in zip(ones, others, strict=True)]
    assert correlations(ones, others, weights) == pytest.approx(expected)
    assert np.isnan(correlations(np.ones((1, 30)), others[:1], weights)).all()


def test_where_nothing_differs_there_is_no_interval_of_a_correlation_and_no_warning():
    found = [Followed(f.shares, np.zeros(ARCHITECTURES), f.gains) for f in table(0, noise=1.0)]
    assert np.isnan(TableScores(found).correlation()).all()


@pytest.mark.filterwarnings("error")
def test_where_no_search_follows_a_placement_there_is_no_interval_and_no_warning():
    found = [Followed(np.zeros(ARCHITECTURES), f.means, f.gains) for f in table(0, noise=1.0)]
    scored = TableScores(found)
    assert np.isnan(scored.interval(0.0, scored.points())).all()
    assert np.isnan(scored.interval(0.0, scored.points() - TableScores(table(0, noise=1.0)).points())).all()


def test_one_search_has_no_interval():
    scored = TableScores(table(0, noise=1.0)[:1])
    assert np.isfinite(scored.points()).any()
    assert np.isnan(scored.interval(0.1, scored.points())).all()


@pytest.mark.filterwarnings("error")
def test_a_table_in_which_all_accuracies_are_equal_can_be_searched(tmp_path):
    path = write(tmp_path, [{**row, "val_accuracy": 80} for row in rows()])
    found = runner.bench(str(path), ["random", "auto+curve"], [12], 2, 1)
    assert [cell.score for cell in found.cells] == [0.0, 0.0]
    assert "nan" not in " ".join(found.lines())


def test_what_a_search_followed_is_what_it_is_scored_by():
    found = trial(FASHION, Spending(), (0, "random", 24))
    assert scores([found.followed]) == pytest.approx([found.points["search"]])
    assert correlations(
        found.followed.means[None], np.nanmean(found.followed.gains, axis=1)[None], np.ones(112)
    ) == pytest.approx([found.correlation])
    assert np.isfinite(found.followed.gains).all(axis=0).sum() == 4


def test_a_real_table_is_scored_with_its_own_noise():
    first, second = runner.bench(FASHION, ["random", "tpe"], [8], 4, 1).cells
    low, high = first.correlation_interval
    assert low < first.correlation < high
    assert second.versus[1] <= second.versus[0] <= second.versus[2]
    assert named(f"permuted:{FASHION}")(0).block_gains(named(FASHION)(0).space[1]) == {}
