"""What a posterior says that a person can act on: which factor pays, how much of what could be gained is found, and
whether more trainings or more validation images would find more.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.model.features import Column, sums_over_sites
from search.model.posterior import Posterior
from search.results.evidence import Evidence
from spaces.architecture import SE, Architecture
from spaces.placements import width
from spaces.spec import Site
from spaces.text import with_interval

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
# What share of the possible gain a search should find before more of it is hardly worth while (DESIGN, section 1).
ENOUGH = 0.9


@dataclass(frozen=True)
class Contrast:
    """What a level of a factor gains, in points, other things equal: SE in a stage against none there; any other level
    against the average of its rivals. ``p_gain`` is the posterior probability that it gains at all."""

    factor: str
    level: str
    gain: float
    low: float
    high: float
    p_gain: float

    @property
    def words(self) -> str:
        what = f"SE in stage {self.level}" if self.factor == "stage" else f"{self.factor} {self.level}"
        return f"{what}: {with_interval(self.gain, self.low, self.high, 'points')}"

    def verdict(self, level: float) -> str:
        """*pays*, *costs* or *open*: likely, never proven."""
        return "pays" if self.p_gain >= level else "costs" if self.p_gain <= 1 - level else "open"


def contrasts(
    posterior: Posterior, architectures: Sequence[Architecture], where: Sequence[Site], level: float
) -> tuple[Contrast, ...]:
    """Main effects of stage, position, width, squeeze and gate: for each draw, the least-squares fit of the gains of the
    architectures with SE. ``architectures`` are in the order of the posterior's. Those that the data cannot tell apart
    (a factor with one level, fewer architectures than effects) are left out.
    """
    placed = np.array([sum(se is not None for se in architecture.blocks) for architecture in architectures])
    rows = np.flatnonzero(placed)
    x, names = _shares(architectures, where, placed)
    x = x[rows]
    factors = {f: [j for j, name in enumerate(names) if name[0] == f] for f in dict.fromkeys(n[0] for n in names)}
    design = np.column_stack([np.ones(len(rows)), x])
    # Levels of a factor sum to one, which the mean already says: so many columns are redundant, and no more may be.
    redundant = sum(factor != "stage" for factor in factors)
    if not len(rows) or np.linalg.matrix_rank(design) < design.shape[1] - redundant:
        return ()
    fitted = np.zeros((posterior.gains.shape[1], design.shape[1]))
    fitted[rows] = np.linalg.pinv(design).T
    effects = (posterior.gains @ fitted).T[1:]
    found = []
    for factor, mine in factors.items():
        if factor == "stage" or len(mine) > 1:
            found += [_contrast(names[j], _against(effects, j, mine, factor), level) for j in mine]
    return tuple(found)


def _shares(
    architectures: Sequence[Architecture], where: Sequence[Site], placed: Integers
) -> tuple[Array, list[Column]]:
    """The levels of all factors, and how much of each an architecture has: (architectures, levels).

    For a stage the share of its units that have SE, for every other level the share of the SE units that have it.
    ``placed`` (architectures,) is the number of SE units.
    """
    units = Counter(site.stage for site in where)

    def stage(site: Site, se: SE) -> list[tuple[Column, float]]:
        return [(("stage", str(site.stage)), 1 / units[site.stage])]

    def levels(site: Site, se: SE) -> list[tuple[Column, float]]:
        return [(level, 1.0) for level in _levels(site, se)]

    by_stage, stages = sums_over_sites(architectures, where, stage)
    by_level, others = sums_over_sites(architectures, where, levels, 1 / np.maximum(placed, 1))
    names = [*stages, *others]
    order = sorted(range(len(names)), key=names.__getitem__)
    return np.column_stack([by_stage, by_level])[:, order], [names[j] for j in order]


def _levels(site: Site, se: SE) -> list[Column]:
    return [("position", se.position), ("width", width(se, site)), ("squeeze", se.squeeze), ("gate", se.gate)]


def _against(effects: Array, j: int, mine: Sequence[int], factor: str) -> Array:
    """Draws of an effect: for a stage itself, else over the average of the other levels."""
    if factor == "stage":
        return np.asarray(effects[j])
    others = [k for k in mine if k != j]
    return np.asarray(effects[j] - effects[others].mean(axis=0))


def _contrast(name: Column, draws: Array, level: float) -> Contrast:
    factor, value = name
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Contrast(factor, value, float(draws.mean()), float(low), float(high), float((draws > 0).mean()))


@dataclass(frozen=True)
class Progress:
    """How much of the possible gain a search has found: S = x / (x + p), x = N (tau / sigma)^2 for N trainings and p
    effective degrees of freedom (DESIGN, section 6), of what can be found in the architectures that were tried.
    ``trainings`` is the N at which S reaches ENOUGH; inf without effect.
    """

    score: float
    low: float
    high: float
    tau: float
    sigma: float
    freedom: float
    trainings: float

    @property
    def words(self) -> str:
        enough = f"about {self.trainings:,.0f} trainings" if self.trainings < 1e5 else "no number of trainings"
        return (
            f"We estimate that this search has found {100 * self.score:.0f} % ({100 * self.low:.0f} to "
            f"{100 * self.high:.0f} %) of the reachable gain; {enough} would reach {100 * ENOUGH:.0f} %. Placements differ "
            f"by {self.tau:.2f} points, trainings of one placement by {self.sigma:.2f}."
        )


def progress(posterior: Posterior, trainings: int, level: float, size: int) -> Progress:
    """The S to expect of what was trained of a space of ``size``, with its interval, and what more would bring.

    Draws count in proportion to their tau, as what there is to gain does: what is expected to be found over what is expected
    to be there.
    """
    weights, p = posterior.taus, posterior.freedom(size)
    if weights.sum() == 0:
        return Progress(0.0, 0.0, 0.0, 0.0, posterior.sigma, p, np.inf)
    signal = (posterior.taus / posterior.sigmas) ** 2

    def scores(count: float, tried: float) -> Array:
        return count * signal / (count * signal + p) * _within_reach(posterior.shares, tried, size - 1)

    found = scores(trainings, len(posterior.architectures) - 1)
    order = np.argsort(found)
    low, high = np.interp([(1 - level) / 2, (1 + level) / 2], np.cumsum(weights[order]) / weights.sum(), found[order])
    counts = np.geomspace(1, 1e6, 241)
    mean = float(np.average(found, weights=weights))
    # More trainings never find less: the first count that finds enough is looked for by halves.
    first = bisect_left(counts, True, key=lambda n: bool(np.average(scores(n, n), weights=weights) >= ENOUGH))
    enough = float(counts[first]) if first < len(counts) else math.inf
    return Progress(mean, float(low), float(high), posterior.tau, posterior.sigma, p, enough)


def _within_reach(shares: Array, tried: float, others: int) -> Array:
    """The part of what there is to gain that lies in ``tried`` of ``others`` architectures. Common effects, all but ``shares`` of
    the variance of gains, tell of all; the terms of their own can be picked only among what was tried."""
    tried = max(tried, 1)
    if tried >= others:
        return np.ones_like(shares)
    common = np.sqrt(1 - shares)
    reach: Array = common + (1 - common) * _largest_of(tried) / _largest_of(others)
    return reach


def _largest_of(count: float) -> float:
    """The expected largest of so many standard normals (Blom 1958)."""
    return -NormalDist().inv_cdf(0.625 / (count + 0.25))


@dataclass(frozen=True)
class Validation:
    """How much of the noise of a training comes from too few validation images: sigma^2 = sigma_train^2 + c / n.

    All in points. ``images`` is n; ``from_images`` the root of c / n, with c half the share of the images on which two
    trainings of the same network disagree.
    """

    images: int
    sigma: float
    from_images: float

    @property
    def share(self) -> float:
        """The share of the variance that more images would reduce."""
        return min(1.0, self.from_images**2 / self.sigma**2) if self.sigma > 0 else 0.0

    @property
    def words(self) -> str:
        cause = f"{100 * self.share:.0f} % of the noise of a training"
        twice = f"Twice as many would be worth {50 * self.share / (1 - self.share / 2):.0f} % more trainings"
        if self.share > 0.25:
            return (
                f"Having only {self.images:,} validation images causes {cause}. {twice}: validate on every labelled image "
                "outside train and test."
            )
        return f"Having {self.images:,} validation images causes only {cause}. {twice}: they would hardly help."


def validation(groups: Sequence[Sequence[bytes]], images: int, sigma: float) -> Validation | None:
    """The decomposition from packed bits of correctness, a group for each network that was trained several times.

    None where nothing was trained twice, or the bits do not fit the number of images.
    """
    total, weight = 0.0, 0
    for group in groups:
        if len(group) > 1 and all(len(bits) == (images + 7) // 8 for bits in group):
            right = np.array([np.unpackbits(np.frombuffer(bits, np.uint8), count=images) for bits in group])
            m, count = len(group), right.sum(axis=0, dtype=float)
            total += (m - 1) * float((count * (m - count) / (m * (m - 1))).mean())
            weight += m - 1
    if not weight:
        return None
    return Validation(images, sigma, 100 * float(np.sqrt(total / weight / images)))


@dataclass(frozen=True)
class Learned:
    """What plain makes of the validation images, its mean ``accuracy`` and that of ``guessing``, in percent: where it learned
    next to nothing, or all there is, placements cannot differ."""

    accuracy: float
    guessing: float

    @property
    def everything(self) -> bool:
        return self.accuracy > 99.95

    @property
    def words(self) -> str:
        """Nothing where there is room on both sides."""
        if self.everything:
            return (
                f"Plain is right on {self.accuracy:.2f} % of the validation images, so no placement can gain anything: use "
                "harder images to compare placements."
            )
        if self.accuracy < 1.5 * self.guessing:
            return (
                f"Plain is right on {self.accuracy:.2f} % of the validation images, and guessing on {self.guessing:.2f} %: the "
                "networks were trained too briefly to differ. Set train.epochs higher and start a new run (--new)."
            )
        return ""


def learned(evidence: Evidence) -> Learned | None:
    """None if the number of classes is not known, or plain has no result."""
    seen = [training.metrics["val_accuracy"] for training in evidence.by_architecture.get(0, ())]
    return Learned(sum(seen) / len(seen), 100 / evidence.classes) if evidence.classes and seen else None


@dataclass(frozen=True)
class Insights:
    """Everything of this module about one run."""

    contrasts: tuple[Contrast, ...]
    progress: Progress
    validation: Validation | None
    learned: Learned | None = None

    def lines(self, level: float) -> list[str]:
        """Contrasts first: they become sure long before single architectures do. Before them, where placements cannot differ."""
        if self.learned and self.learned.everything:
            return [self.learned.words]
        found = []
        for verdict in ("pays", "costs"):
            words = [c.words for c in self.contrasts if c.verdict(level) == verdict]
            found += [f"Likely {verdict}: {'; '.join(words)}."] if words else []
        if self.contrasts and not found:
            found.append("No single stage, position, width, squeeze or gate is likely to help or to hurt.")
        found += [self.progress.words, *([self.validation.words] if self.validation else [])]
        return [self.learned.words, *found] if self.learned and self.learned.words else found

    def to_dict(self) -> dict[str, Any]:
        progress = {k: v if math.isfinite(v) else None for k, v in asdict(self.progress).items()}
        validation = asdict(self.validation) | {"share": self.validation.share} if self.validation else None
        return {"contrasts": [asdict(c) for c in self.contrasts], "progress": progress, "validation": validation,
                "learned": asdict(self.learned) if self.learned else None}  # fmt: skip


def gather(evidence: Evidence, posterior: Posterior, level: float) -> Insights:
    """What a run's posterior and its stored bits say."""
    effects: tuple[Contrast, ...] = ()
    if evidence.sites:
        members = [evidence.architectures[number] for number in posterior.architectures]
        effects = contrasts(posterior, members, evidence.sites, level)
    return Insights(
        effects,
        progress(posterior, len(evidence.finished), level, evidence.space_size),
        _validation_of(evidence, posterior.sigma),
        learned(evidence),
    )


def _validation_of(evidence: Evidence, sigma: float) -> Validation | None:
    """Trainings of one block share their initial weights, so they are compared within it."""
    if not evidence.images:
        return None
    groups: dict[tuple[int, int], list[bytes]] = {}
    for training in evidence.finished:
        if training.correct:
            groups.setdefault((training.architecture, training.seed.block), []).append(training.correct)
    return validation(list(groups.values()), evidence.images, sigma)
