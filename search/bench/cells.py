"""Many searches of one sampler with one budget, summed up."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search.bench.score import NO_INTERVAL, Tally
from search.bench.table_noise import TableScores
from search.bench.trials import OWN, Trial
from search.results.answer import NO


@dataclass(frozen=True)
class Cell:
    """All searches of one sampler with one budget, summed up.

    Intervals are 90 % bootstrap intervals over searches; on a real table over its blocks and architectures, too. They
    are nan for a single search, and where no search has the figure.
    ``versus`` compares with the first sampler on the same problems: difference and interval. ``power`` is the share of
    finalists that were proven among those whose true gain the report says it can prove. ``predicted`` is the mean of
    the S that the searches themselves expected. ``used`` is the mean number of trainings. ``said_no`` searches ended
    with "likely not worth it", ``said_no_wrongly`` of them where a placement gains enough; ``p_no`` is the mean of the
    probability that they gave. ``correlation`` is the mean of that of posterior means with true gains, over all
    architectures of the space; ``p_nothing`` the mean probability that curves tell nothing, and ``sure_of_nothing`` the
    share of searches in which it exceeds 0.5.
    """

    sampler: str
    trainings: int
    searches: int
    score: float
    score_interval: tuple[float, float]
    versus: tuple[float, float, float] | None
    by_report: Mapping[str, float]
    coverage: float
    likely: float
    likely_wrong: float
    searches_with_false_proof: int
    searches_with_true_proof: int
    power: float
    predicted: float
    seconds_per_training: float
    used: float
    said_no: int
    said_no_wrongly: int
    p_no: float
    correlation: float = math.nan
    correlation_interval: tuple[float, float] = NO_INTERVAL
    p_nothing: float = math.nan
    sure_of_nothing: float = math.nan


def summed(found: Sequence[Trial], sampler: str, trainings: int, first: str) -> Cell:
    """All of ``found`` with this sampler and budget, compared with those of the sampler ``first``."""
    mine = [t for t in found if (t.sampler, t.trainings) == (sampler, trainings)]
    theirs = [t for t in found if (t.sampler, t.trainings) == (first, trainings)]
    no = [t for t in mine if t.answer.kind == NO]
    counts = {name: sum(asdict(t.honesty)[name] for t in mine) for name in asdict(mine[0].honesty)}
    return Cell(
        sampler,
        trainings,
        len(mine),
        _tally(mine).score,
        _score_interval(mine),
        None if sampler == first else _versus(mine, theirs),
        {name: _tally(mine, name).score for name in mine[0].points},
        _ratio(counts["covered"], counts["intervals"]),
        counts["likely"] / len(mine),
        _ratio(counts["likely_wrong"], counts["likely"]),
        sum(t.honesty.proven_wrong > 0 for t in mine),
        sum(t.honesty.proven > t.honesty.proven_wrong for t in mine),
        _ratio(counts["provable_proven"], counts["provable"]),
        _mean([t.predicted for t in mine]),
        sum(t.seconds_per_training for t in mine) / len(mine),
        sum(t.used for t in mine) / len(mine),
        len(no),
        sum(t.largest >= t.answer.worthwhile for t in no),
        _mean([t.answer.probability or 0.0 for t in no]),
        _mean([t.correlation for t in mine]),
        _correlation_interval(mine),
        _mean([t.p_nothing for t in mine]),
        _mean([float(t.p_nothing > 0.5) for t in mine if not math.isnan(t.p_nothing)]),
    )


def _score_interval(found: Sequence[Trial]) -> tuple[float, float]:
    tally, table = _tally(found), _table(found)
    return table.interval(tally.score, table.points()) if table else tally.interval()


def _versus(mine: Sequence[Trial], theirs: Sequence[Trial]) -> tuple[float, float, float]:
    """The difference of two scores over the same problems, and its interval."""
    one, other = _tally(mine), _tally(theirs)
    ours, others = _table(mine), _table(theirs)
    if ours and others:
        difference = one.score - other.score
        return (difference, *ours.interval(difference, ours.points() - others.points()))
    return one.versus(other)


def _correlation_interval(found: Sequence[Trial]) -> tuple[float, float]:
    known = [t.correlation for t in found if not math.isnan(t.correlation)]
    if not known:
        return NO_INTERVAL
    tally, table = Tally(known, None), _table(found)
    return table.interval(tally.score, table.correlation()) if table else tally.interval()


def _table(found: Sequence[Trial]) -> TableScores | None:
    """Searches over a real table; None for synthetic problems, whose truth is exact."""
    followed = [t.followed for t in found if t.followed is not None]
    return TableScores(followed) if followed else None


def _tally(trials: Sequence[Trial], report: str = OWN) -> Tally:
    known = oracle_is_known(trials)
    return Tally([t.points[report] for t in trials], [t.best for t in trials] if known else None)


def oracle_is_known(trials: Sequence[Trial]) -> bool:
    """Whether the oracle gains anything in any problem. If not, there is no score, which is a share of this gain."""
    return any(trial.best > 0 for trial in trials)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def finite(value: Any) -> Any:
    """The value as JSON can hold it: nan is null, and so is an interval of two nan."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return None if all(map(math.isnan, value)) else [finite(v) for v in value]
    return value
