"""The time of one thing over that of another, side by side, so that what disturbs a machine disturbs both.

A ratio is what can be known: clocks, temperature and neighbours change milliseconds by more than SE does. So blocks of
plain and candidate alternate (plain, candidate, candidate, plain) in one process, each block is the median of its calls,
and each four blocks give one ratio. Where memory happens to lie makes the same network one or two percent faster or
slower for as long as it lives (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong", ASPLOS
2009), which no number of repetitions shows. So both are made anew for each round, in turns the one or the other first; a
round is the median of its ratios, and rounds are what the interval is made of.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np

Call = Callable[[], None]
Make = Callable[[], Call]

# A block lasts about so long: what disturbs a machine lasts longer, and so meets plain and candidate alike.
BLOCK_SECONDS = 0.003
# Quadruples of blocks in a round; fewer where these would take more than this share of the time there is.
QUADRUPLES, SHARE = 24, 1 / 8
# Fewer rounds make no interval, however long they take; before there are ENOUGH, precision may be luck.
LEAST, ENOUGH = 3, 8


@dataclass(frozen=True)
class Comparison:
    """Times of a candidate and of plain. ``ratio`` with its interval ``low`` to ``high``; medians in ms; n rounds."""

    ratio: float
    low: float
    high: float
    candidate_ms: float
    plain_ms: float
    n: int
    seconds: float

    @property
    def overhead(self) -> float:
        """In percent over plain."""
        return 100 * (self.ratio - 1)

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def to_dict(self) -> dict[str, float]:
        return {**asdict(self), "overhead": self.overhead, "half_width": self.half_width}


@dataclass(frozen=True)
class _Round:
    """Median seconds of a call of each, and the median of the ratios."""

    plain: float
    candidate: float
    ratio: float


def compare(
    plain: Make, candidate: Make, *, seconds: float, precision: float = 0.01, level: float = 0.95,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:  # fmt: skip
    """Makes and times both, round by round, until the half-width of the ratio's interval is ``precision``, or for
    ``seconds``; ``LEAST`` rounds in any case, ``ENOUGH`` where there is time."""
    began = clock()
    rounds: list[_Round] = []
    while True:
        rounds.append(_round(plain, candidate, len(rounds) % 2 == 1, SHARE * seconds, clock))
        if len(rounds) >= LEAST:
            found = _summary(rounds, level, clock() - began)
            if found.seconds > seconds or (len(rounds) >= ENOUGH and found.half_width <= precision):
                return found


def _round(plain: Make, candidate: Make, turned: bool, seconds: float, clock: Callable[[], float]) -> _Round:
    """One making of both. ``turned``: the candidate is made, and timed, first."""
    pair = (candidate, plain) if turned else (plain, candidate)
    first, second = (make() for make in pair)
    calls = _warm_up(first, second, clock)
    began, quadruples = clock(), list[tuple[float, float]]()
    while len(quadruples) < QUADRUPLES and (not quadruples or clock() - began < seconds):
        a, b, c, d = (_block(call, calls, clock) for call in (first, second, second, first))
        quadruples.append(((b + c) / 2, (a + d) / 2) if turned else ((a + d) / 2, (b + c) / 2))
    plain_N, candidate_N = np.array(quadruples).T
    return _Round(float(np.median(plain_N)), float(np.median(candidate_N)), float(np.median(candidate_N / plain_N)))


def _warm_up(first: Call, second: Call, clock: Callable[[], float]) -> int:
    """Runs both until two rounds agree within 5 %, ten at most. Returns how many calls a block holds."""
    before, took = 0.0, 0.0
    for _ in range(10):
        took = max(_block(call, 3, clock) for call in (first, second))
        if abs(took - before) <= 0.05 * took:
            break
        before = took
    return max(1, round(BLOCK_SECONDS / took)) if took else 1


def _block(call: Call, calls: int, clock: Callable[[], float]) -> float:
    """Median seconds of a call."""
    marks = [clock()]
    for _ in range(calls):
        call()
        marks.append(clock())
    return float(np.median(np.diff(marks)))


def _summary(rounds: Sequence[_Round], level: float, seconds: float) -> Comparison:
    """Geometric mean over rounds, with Student's interval: a bootstrap of a handful would be too narrow."""
    log_N = np.log([r.ratio for r in rounds])
    centre = float(log_N.mean())
    reach = _student((1 + level) / 2, len(log_N) - 1) * float(log_N.std(ddof=1)) / math.sqrt(len(log_N))
    ratio, low, high = (math.exp(centre + shift) for shift in (0.0, -reach, reach))
    plain, candidate = (1000 * float(np.median([getattr(r, name) for r in rounds])) for name in ("plain", "candidate"))
    return Comparison(ratio, low, high, candidate, plain, len(rounds), seconds)


def _student(p: float, freedom: int) -> float:
    """Quantile of Student's t, by its series in 1 / freedom (Abramowitz and Stegun 1964, 26.7.5); 1 % off at 2 degrees."""
    z = NormalDist().inv_cdf(p)
    terms = (
        z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )  # fmt: skip
    return sum(term / freedom**k for k, term in enumerate(terms))
