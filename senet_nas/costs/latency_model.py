"""The latency of every architecture of a space, from a few dozen that were timed.

overhead(a) = sum over sites of d(stage, squeeze, excitation, gate, position): a residual network is a chain, so what SE
costs at one site hardly depends on the others. Each d is itself a sum of what its parts and their pairs cost, shrunk
towards zero (ridge regression), since most combinations are never timed. The shrinkage is the one with the smallest
error on architectures that were left out; that error is what the model is believed by.
"""

import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from senet_nas.costs.measures import LATENCY
from spaces import SE, Architecture, Site, Space

PENALTIES = tuple(10.0**k for k in np.arange(-4, 3, 0.5))
# A model that errs by more percent points than this is not to be trusted with differences between placements.
TRUSTED = 2.0
# Parts, pairs, wholes: what is rarely seen together is mostly the sum of what it is made of.
PRIOR = (1.0, 0.25, 0.1)
Parts = tuple[str, ...]


@dataclass(frozen=True)
class LatencyModel:
    """``weights`` in percent over plain for each part of an SE; ``plain_ms`` the median time of the plain network.

    ``error`` is the mean absolute error and ``tau`` Kendall's rank correlation, both on ``n`` architectures that were
    each predicted from all the others. Plain dictionaries, so that a ledger can keep it.
    """

    stages: tuple[int, ...]
    weights: Mapping[str, float]
    plain_ms: float
    error: float
    tau: float
    n: int

    def overhead(self, architecture: Architecture) -> float:
        """Percent over plain."""
        counts = _parts(architecture, self.stages)
        return sum(self.weights.get(part, 0.0) * count for part, count in counts.items())

    def of(self, architecture: Architecture) -> dict[str, float]:
        """The latency in ms and its overhead in percent over plain, by the columns of the table of costs."""
        overhead = self.overhead(architecture)
        return {LATENCY.column: self.plain_ms * (1 + overhead / 100), LATENCY.overhead: overhead}

    @property
    def is_trusted(self) -> bool:
        return self.error <= TRUSTED


@dataclass(frozen=True)
class Timed:
    """An architecture that was timed: its overhead in percent over plain, and the half-width of its interval."""

    architecture: Architecture
    overhead: float
    half_width: float


def fit(sites: Sequence[Site], timed: Sequence[Timed], plain_ms: float) -> LatencyModel:
    """The model of architectures that were timed, each weighed by how well that is known."""
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
    """Architectures to time: members of the space, every other one thinned, so that few and many SE are both seen."""
    found: dict[Architecture, None] = {}
    for i in range(20 * n):
        member, keep = space.sample(rng), rng.random() if i % 2 else 1.0
        blocks = tuple(se if rng.random() < keep else None for se in member.blocks)
        if any(blocks):
            found[Architecture(space.backbone, blocks)] = None
        if len(found) == n:
            break
    return list(found)


# -- inside -----------------------------------------------------------------------------------------------------------


def _parts(architecture: Architecture, stages: Sequence[int]) -> Counter[str]:
    """How often each part, each pair of parts and each whole SE occurs in an architecture."""
    found: Counter[str] = Counter()
    for stage, se in zip(stages, architecture.blocks, strict=True):
        if se is not None:
            parts = _names(stage, se)
            found.update(
                ["SE", *parts, *("+".join(pair) for pair in itertools.combinations(parts, 2)), f"{stage}:{se}"]
            )
    return found


def _names(stage: int, se: SE) -> Parts:
    return (f"stage {stage}", se.squeeze, f"{stage} {se.excitation}", se.gate, se.position)


def _prior(name: str) -> float:
    """How large the cost of a part, of a pair and of a whole SE is expected to be, relative to each other."""
    return PRIOR[2] if ":" in name else PRIOR[1] if "+" in name else PRIOR[0]


def _left_out(x_NP: NDArray[np.float64], y_N: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Each prediction from all other rows: (H y - h y) / (1 - h) with the hat matrix H of ridge regression."""
    kernel_NN = x_NP @ x_NP.T
    hat_NN = kernel_NN @ np.linalg.inv(kernel_NN + penalty * np.eye(len(y_N)))
    h_N = hat_NN.diagonal()
    left_out: NDArray[np.float64] = (hat_NN @ y_N - h_N * y_N) / (1 - h_N)
    return left_out


def tau(a_N: NDArray[np.float64], b_N: NDArray[np.float64]) -> float:
    """Kendall's tau: the share of pairs in the same order minus that of pairs in the other."""
    agree_NN = np.sign(a_N[:, None] - a_N) * np.sign(b_N[:, None] - b_N)
    return float(agree_NN.sum() / max(1, len(a_N) * (len(a_N) - 1)))
