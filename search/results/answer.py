"""The answer of a run: worth it, likely not worth it, or undecided and how many more trainings would decide it.

*Worth it* is a proof. *Likely not worth it* is a statement about the largest gain of the whole space, trained or not:
with a posterior probability of NOT_WORTH or more, no placement within the limits gains ``worthwhile`` points.
"""

import functools
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.results import paired_test
from search.state.confirmation_facts import AnswerFact

Array = NDArray[np.float64]
Kind = Literal["worth it", "likely not worth it", "undecided"]
YES: Kind = "worth it"
NO: Kind = "likely not worth it"
UNDECIDED: Kind = "undecided"
NOT_WORTH = 0.95
# A run stops before its budget is used if "likely not worth it" is as likely as this.
STOP = 0.99
# How likely the trainings that are named for an undecided run should decide it: as likely as not, and probably.
EVEN = 0.5
ENOUGH = 0.8


@dataclass(frozen=True)
class Answer:
    """``probability`` that no placement gains ``worthwhile`` points, None before it was asked for.

    ``more`` is how many trainings would decide an undecided run with the chance ENOUGH, ``more_even`` with the chance
    EVEN; None if that is not known, or if no number would. ``out_of_reach``: no number has even the chance EVEN.
    """

    kind: Kind = UNDECIDED
    worthwhile: float = 0.2
    probability: float | None = None
    more: int | None = None
    out_of_reach: bool = False
    more_even: int | None = None


def answer_of(is_proven: bool, noted: AnswerFact | None, worthwhile: float) -> Answer:
    """The answer that follows from a proof, or from what was noted last about the largest gain."""
    if is_proven:
        return Answer(YES, worthwhile, noted.p_not_worth if noted else None)
    if noted is None:
        return Answer(UNDECIDED, worthwhile)
    if noted.p_not_worth >= NOT_WORTH:
        return Answer(NO, noted.worthwhile, noted.p_not_worth)
    out_of_reach = noted.forecast and noted.more is None and noted.more_even is None
    return Answer(UNDECIDED, noted.worthwhile, noted.p_not_worth, noted.more, out_of_reach, noted.more_even)


# -- what would decide it ---------------------------------------------------------------------------------------------

# Extensions that are tried, in trainings.
EXTENSIONS = tuple(int(n) for n in np.unique(np.round(12 * 2 ** (np.arange(20) / 2))))
# Draws that are taken for the truth, and draws that describe what is not known afterwards.
_TRUTHS = 200
_RESIDUALS = 200
# Architectures that the search of an extension trains, and of how many the largest gain is taken.
_TRAINED = 24
_RIVALS = 512
# The part of a search that trains plain.
_PLAIN = 0.2


@dataclass(frozen=True)
class More:
    """The smallest of EXTENSIONS that decide a run with the chances EVEN and ENOUGH; None where none does."""

    even: int | None
    enough: int | None


def more_trainings(
    gains: Array, sigmas: Array, *, level: float, share: float, min_gain: float, worthwhile: float
) -> More:
    """How many more trainings would decide a run.

    Draws of the posterior are taken for the truth, one after the other: the search of the extension and its
    confirmation, a ``share`` of it, are simulated, and the answer is read as the run would read it. ``gains`` (draws,
    architectures) are those of all placements within the limits, ``sigmas`` (draws,) the noise of one training, in
    points; ``level`` is what the next candidate may spend.
    """
    chosen = gains[:, _rivals(gains)]

    @functools.cache
    def chance(extension: int) -> float:
        return _chance_of_answer(chosen, sigmas, extension, level, share, min_gain, worthwhile)

    def first(wanted: float) -> int | None:
        # A longer extension decides more, so bisection finds the first that is enough.
        place = bisect_left(EXTENSIONS, True, key=lambda extension: chance(extension) >= wanted)
        return EXTENSIONS[place] if place < len(EXTENSIONS) else None

    return More(first(EVEN), first(ENOUGH))


def _rivals(gains: Array) -> NDArray[np.int64]:
    """The architectures that may have the largest gain."""
    reach = gains.mean(axis=0) + 2 * gains.std(axis=0)
    return np.sort(np.argsort(-reach, kind="stable")[:_RIVALS])


def _chance_of_answer(
    gains: Array, sigmas: Array, extension: int, level: float, share: float, min_gain: float, worthwhile: float
) -> float:
    pairs = paired_test.pairs_in(int(share * extension))
    rng = np.random.default_rng(extension)
    means, rest = _after_search(gains, sigmas, extension - 2 * pairs, rng)
    truths = gains[:_TRUTHS]
    decided = _says_no(means, rest, worthwhile).astype(float)
    if pairs:
        sigma = float(np.sqrt((sigmas**2).mean()))
        limit = paired_test.final_limit(paired_test.looks_at(pairs), level)
        error = sigma * np.sqrt(2 / pairs)
        needed = min_gain + stats.t.isf(limit, pairs - 1) * error
        candidate = ((means - needed) / np.hypot(error, rest.std(axis=0))).argmax(axis=1)
        true = truths[np.arange(len(truths)), candidate]
        proof = paired_test.chance(true, sigmas[: len(truths)], pairs, limit, min_gain)
        decided = 1 - (1 - decided) * (1 - proof)
    return float(decided.mean())


def _after_search(gains: Array, sigmas: Array, trainings: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Posterior means after a search for each truth, (truths, architectures), and draws of what stays unknown.

    The search trains the likeliest leaders equally often. By Matheron's rule, a draw minus what its own noisy results
    say of it is a draw of what stays unknown (Wilson et al., ICML 2020).
    """
    trained = _leaders(gains, max(1, trainings // 4))
    centre = gains.mean(axis=0)
    off = gains - centre
    noise_of_one = (sigmas**2).mean()
    each = max(trainings * (1 - _PLAIN) / len(trained), 1e-9)
    noise = noise_of_one * (np.eye(len(trained)) / each + 1 / max(trainings * _PLAIN, 1e-9))
    covariance = off.T @ off[:, trained] / len(off)
    follow = np.linalg.solve(covariance[trained] + noise, covariance.T)
    wrong = rng.multivariate_normal(np.zeros(len(trained)), noise, len(gains), method="cholesky")
    learned = (off[:, trained] + wrong) @ follow
    return centre + learned[:_TRUTHS], (off - learned)[-_RESIDUALS:]


def _leaders(gains: Array, most: int) -> NDArray[np.int64]:
    """The architectures that have the largest gain in most draws."""
    leads = np.bincount(gains.argmax(axis=1), minlength=gains.shape[1]) + 1e-3 * gains.mean(axis=0)
    return np.sort(np.argsort(-leads, kind="stable")[: min(most, _TRAINED)])


def _says_no(means: Array, rest: Array, worthwhile: float) -> NDArray[np.bool_]:
    """For each truth, whether the run would say "likely not worth it" after the search."""
    said = [float(((mean + rest).max(axis=1) <= worthwhile).mean()) >= NOT_WORTH for mean in means]
    return np.array(said)
