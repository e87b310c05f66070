"""The time of a candidate over that of plain, measured side by side, so that a disturbance of the machine meets both.

Only a ratio can be known: clock frequency, temperature and other programs change milliseconds by more than SE does. So
bursts of calls of plain and candidate alternate (plain, candidate, candidate, plain) in one process. The time of a
burst is the median of its calls, and four bursts give one ratio.

The place of its data in memory makes the same network one or two percent faster or slower for as long as it lives
(Mytkowicz et al., "Producing wrong data without doing anything obviously wrong", ASPLOS 2009); repeating calls does not
show this. So each round makes both networks again, and alternates which comes first. The ratio of a round is the median
of its ratios, and the interval is that of the rounds.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from senet_nas.costs.stopwatch import HostWatch, Stopwatch
from senet_nas.student import mean_with_reach

Call = Callable[[], object]
Make = Callable[[], Call]

# Seconds that a burst lasts. Disturbances last longer, and so meet plain and candidate alike.
BURST_SECONDS = 0.003
# Ratios of four bursts in a round; fewer if they would take more than SHARE of the time for all rounds.
QUADRUPLES = 24
SHARE = 1 / 8
# Rounds in any case, however long they take; before ENOUGH rounds, a narrow interval may be luck.
LEAST = 3
ENOUGH = 8


@dataclass(frozen=True)
class Comparison:
    """The ratio of the candidate's time to plain's with its interval, and both times in ms, from ``n`` rounds.

    Plain's is a median, and the candidate's is that times the ratio: a median of its own would contradict the ratio
    where the machine was busy in some rounds.
    """

    ratio: float
    low: float
    high: float
    candidate_ms: float
    plain_ms: float
    n: int
    seconds: float

    @property
    def overhead(self) -> float:
        """The candidate's additional time, in percent over plain."""
        return 100 * (self.ratio - 1)

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def to_dict(self) -> dict[str, float]:
        return {**asdict(self), "overhead": self.overhead, "half_width": self.half_width}


@dataclass(frozen=True)
class _Round:
    """Median seconds of a call of plain, and the median of the ratios of the candidate's to them."""

    plain: float
    ratio: float


def compare(
    plain: Make,
    candidate: Make,
    *,
    seconds: float,
    precision: float = 0.01,
    level: float = 0.95,
    clock: Callable[[], float] = time.perf_counter,
    watch: Stopwatch | None = None,
) -> Comparison:
    """The times of both, made and timed in rounds.

    It ends after ``seconds``, or when the half-width of the ratio's interval is at most ``precision``; after LEAST
    rounds at the earliest, and after ENOUGH if there is time. ``level``: the confidence of the interval. ``watch``
    times the calls; by default the ``clock`` of the host does.
    """
    watch = watch or HostWatch(clock)
    began = clock()
    rounds: list[_Round] = []
    while True:
        rounds.append(_round(plain, candidate, len(rounds) % 2 == 1, SHARE * seconds, clock, watch))
        if len(rounds) >= LEAST:
            found = _summary(rounds, level, clock() - began)
            if found.seconds > seconds or (len(rounds) >= ENOUGH and found.half_width <= precision):
                return found


def _round(
    plain: Make, candidate: Make, turned: bool, seconds: float, clock: Callable[[], float], watch: Stopwatch
) -> _Round:
    """Makes and times both once. ``turned``: the candidate is made and timed first."""
    pair = (candidate, plain) if turned else (plain, candidate)
    first, second = made(*pair)
    calls = _warm_up(first, second, watch)
    outer: list[float] = []
    inner: list[float] = []
    began = clock()
    while len(outer) < QUADRUPLES and (not outer or clock() - began < seconds):
        a, b, c, d = (_burst(call, calls, watch) for call in (first, second, second, first))
        outer.append((a + d) / 2)
        inner.append((b + c) / 2)
    plain_N = np.array(inner if turned else outer)
    candidate_N = np.array(outer if turned else inner)
    return _Round(float(np.median(plain_N)), float(np.median(candidate_N / plain_N)))


def made(first: Make, second: Make) -> tuple[Call, Call]:
    """Both calls; one for both if they are made alike, since a network beside itself need not be made twice."""
    call = first()
    return call, call if first == second else second()


def _warm_up(first: Call, second: Call, watch: Stopwatch) -> int:
    """Runs both until two measurements agree within 5 %, at most ten times. Returns the number of calls in a burst."""
    before = 0.0
    took = 0.0
    for _ in range(10):
        took = max(_burst(call, 3, watch) for call in (first, second))
        if abs(took - before) <= 0.05 * took:
            break
        before = took
    return max(1, round(BURST_SECONDS / took)) if took else 1


def _burst(call: Call, calls: int, watch: Stopwatch) -> float:
    """Median seconds of a call."""
    watch.mark()
    for _ in range(calls):
        call()
        watch.mark()
    return float(np.median(watch.laps()))


def _summary(rounds: Sequence[_Round], level: float, seconds: float) -> Comparison:
    """The geometric mean of the rounds' ratios with Student's interval; a bootstrap of few rounds is too narrow."""
    centre, reach = mean_with_reach(np.log([r.ratio for r in rounds]), level)
    plain_ms = 1000 * float(np.median([r.plain for r in rounds]))
    return Comparison(
        ratio=math.exp(centre),
        low=math.exp(centre - reach),
        high=math.exp(centre + reach),
        candidate_ms=plain_ms * math.exp(centre),
        plain_ms=plain_ms,
        n=len(rounds),
        seconds=seconds,
    )
