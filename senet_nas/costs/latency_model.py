"""The latency of every architecture of a space, predicted from a few dozen timed ones.

overhead(a) = sum over sites of d(stage, squeeze, excitation, gate, position). A residual network is a chain, so the
cost of SE at one site hardly depends on the other sites. Each d is the sum of the costs of its parts and of their
pairs, shrunk towards zero (ridge regression), because most combinations are never timed. The shrinkage is the one with
the smallest leave-one-out error; that error also decides whether the model is trusted.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from senet_nas.costs.measures import LATENCY, Measure
from spaces import SE, Architecture, Site, Space

PENALTIES = tuple(10.0**k for k in np.arange(-4, 3, 0.5))
# Percentage points: a model with a larger error is not trusted with differences between placements.
TRUSTED = 2.0
# The 95 % half-width of a normal error, over its mean absolute value.
MARGIN = 1.96 * math.sqrt(math.pi / 2)
# Expected size of the cost of a part, a pair of parts and a whole SE unit: pairs and wholes mostly cost the sum of
# their parts.
PRIOR_OF_A_PART = 1.0
PRIOR_OF_A_PAIR = 0.25
PRIOR_OF_A_WHOLE = 0.1
Parts = tuple[str, ...]


@dataclass(frozen=True)
class LatencyModel:
    """``weights``: percent over plain for each part of an SE unit; ``plain_ms``: median time of the plain network.

    ``error`` is the mean absolute error and ``tau`` Kendall's rank correlation, both of ``n`` architectures, each
    predicted from all others. All fields are plain values, so a ledger can store the model.
    """

    stages: tuple[int, ...]
    weights: Mapping[str, float]
    plain_ms: float
    error: float
    tau: float
    n: int

    def overhead(self, architecture: Architecture) -> float:
        """The predicted overhead in percent over plain."""
        counts = _parts(architecture, self.stages)
        return sum(self.weights.get(part, 0.0) * count for part, count in counts.items())

    def of(self, architecture: Architecture, measure: Measure = LATENCY) -> dict[str, float]:
        """The latency in ms and its overhead in percent over plain, by the columns of the table of costs."""
        overhead = self.overhead(architecture)
        return {measure.column: self.plain_ms * (1 + overhead / 100), measure.overhead: overhead}

    @property
    def is_trusted(self) -> bool:
        return is_trusted(self.error)


def is_trusted(error: float) -> bool:
    """Whether a model with this mean absolute ``error``, in percentage points, may compare placements."""
    return error <= TRUSTED


def margin(error: float) -> float:
    """The 95 % half-width of a prediction, in percentage points, by the mean absolute ``error`` of its model."""
    return MARGIN * error


@dataclass(frozen=True)
class Timed:
    """A timed architecture: its overhead in percent over plain, and the half-width of the overhead's interval."""

    architecture: Architecture
    overhead: float
    half_width: float


def fit(sites: Sequence[Site], timed: Sequence[Timed], plain_ms: float) -> LatencyModel:
    """The model of the timed architectures, each weighted by the precision of its time."""
    stages = tuple(site.stage for site in sites)
    counts = [_parts(t.architecture, stages) for t in timed]
    names = sorted(set().union(*counts))
    width_N = np.array([t.half_width for t in timed])
    weight_N = 1 / np.sqrt(1 + (width_N / max(float(np.median(width_N)), 1e-9)) ** 2)
    prior_P = np.array([_prior(name) for name in names])
    x_NP = weight_N[:, None] * prior_P * np.array([[count[name] for name in names] for count in counts], dtype=float)
    y_N = np.array([t.overhead for t in timed])
    left_out = {penalty: _left_out(x_NP, weight_N * y_N, penalty) / weight_N for penalty in PENALTIES}
    penalty = min(PENALTIES, key=lambda p: float(np.median(np.abs(left_out[p] - y_N))))
    w_P = prior_P * np.linalg.solve(x_NP.T @ x_NP + penalty * np.eye(len(names)), x_NP.T @ (weight_N * y_N))
    error = float(np.abs(left_out[penalty] - y_N).mean())
    weights = {name: float(weight) for name, weight in zip(names, w_P, strict=True)}
    return LatencyModel(stages, weights, plain_ms, error, tau(left_out[penalty], y_N), len(timed))


def sample(space: Space, n: int, rng: random.Random) -> list[Architecture]:
    """Up to ``n`` architectures to time: members of the space, every other one with fewer SE units than drawn."""
    found: dict[Architecture, None] = {}
    for i in range(20 * n):
        member = space.sample(rng)
        keep = rng.random() if i % 2 else 1.0
        blocks = tuple(se if rng.random() < keep else None for se in member.blocks)
        if any(blocks):
            found[Architecture(space.backbone, blocks)] = None
        if len(found) == n:
            break
    return list(found)


# -- inside -----------------------------------------------------------------------------------------------------------


def _parts(architecture: Architecture, stages: Sequence[int]) -> Counter[str]:
    """How often each part, each pair of parts and each whole SE unit occurs in an architecture."""
    found: Counter[str] = Counter()
    for stage, se in zip(stages, architecture.blocks, strict=True):
        if se is not None:
            parts = _names(stage, se)
            pairs = ["+".join(pair) for pair in itertools.combinations(parts, 2)]
            found.update(["SE", *parts, *pairs, f"{stage}:{se}"])
    return found


def _names(stage: int, se: SE) -> Parts:
    return (f"stage {stage}", se.squeeze, f"{stage} {se.excitation}", se.gate, se.position)


def _prior(name: str) -> float:
    """The expected size of the cost of a part, a pair of parts or a whole SE unit, relative to each other."""
    if ":" in name:
        return PRIOR_OF_A_WHOLE
    if "+" in name:
        return PRIOR_OF_A_PAIR
    return PRIOR_OF_A_PART


def _left_out(x_NP: NDArray[np.float64], y_N: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """The prediction of each row from all others: (H y - h y) / (1 - h) with the hat matrix H of ridge regression."""
    kernel_NN = x_NP @ x_NP.T
    hat_NN = kernel_NN @ np.linalg.inv(kernel_NN + penalty * np.eye(len(y_N)))
    h_N = hat_NN.diagonal()
    left_out: NDArray[np.float64] = (hat_NN @ y_N - h_N * y_N) / (1 - h_N)
    return left_out


def tau(a_N: NDArray[np.float64], b_N: NDArray[np.float64]) -> float:
    """Kendall's rank correlation, from -1 to 1; 0 where it is undefined: for fewer than two or for equal values."""
    from scipy.stats import kendalltau

    if len(a_N) < 2 or np.ptp(a_N) == 0 or np.ptp(b_N) == 0:
        return 0.0
    return float(kendalltau(a_N, b_N).statistic)
