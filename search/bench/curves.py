"""Loss curves of synthetic problems: how the losses of trainings differ, and what that has to do with their accuracy.

How much losses differ, and how their noise goes with that of the accuracy, was measured on the table `fashion113`.
The kinds below were written down before any search was run over them.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Epoch:
    """The training loss of an epoch: its usual value, and standard deviations of its logarithm.

    ``tau`` is that of architectures, ``sigma`` that of trainings, ``block`` that of blocks. ``late`` is the correlation
    of its noise with the noise that the late epochs have in common.
    """

    loss: float
    tau: float
    sigma: float
    block: float
    late: float


EPOCHS = (
    Epoch(1.64, 0.0533, 0.0142, 0.0253, 0.24),
    Epoch(0.77, 0.0457, 0.0400, 0.0183, 0.84),
    Epoch(0.60, 0.0277, 0.0296, 0.0191, 0.87),
    Epoch(0.51, 0.0278, 0.0332, 0.0211, 0.92),
    Epoch(0.45, 0.0284, 0.0381, 0.0244, 0.97),
    Epoch(0.39, 0.0304, 0.0456, 0.0296, 0.99),
    Epoch(0.34, 0.0325, 0.0561, 0.0375, 0.98),
    Epoch(0.31, 0.0337, 0.0650, 0.0418, 0.98),
)
# Correlation of the noise of the late epochs with that of the accuracy.
LATE = -0.85


@dataclass(frozen=True)
class Curve:
    """A kind of curve. ``genetic`` is the correlation of losses with accuracy across architectures.

    ``is_noise_shared``: whether noise of losses goes with that of accuracy, as measured. The rest are ways to mislead a
    model: ``stops_at_median``: losses tell the worse half apart, and nothing of the better half;
    ``is_first_stage_reversed``: what the first stage gains, losses show as a loss; ``is_by_block``: in half of the
    blocks losses tell nothing. With ``late`` the late losses of an architecture are lower by so many of their noise
    deviations for each deviation of gains: what looks like the luck of its trainings is its gain.
    """

    genetic: float
    is_noise_shared: bool = True
    stops_at_median: bool = False
    is_first_stage_reversed: bool = False
    is_by_block: bool = False
    late: float = 0.0

    def follows(self, gains: Array, reversed_gains: Array) -> Array:
        """What losses follow: gains, or something like them; (architectures,), plain first."""
        if self.stops_at_median:
            return np.minimum(gains, np.median(gains[1:]))
        return reversed_gains if self.is_first_stage_reversed else gains

    def genetic_in(self, block: random.Random) -> float:
        """The correlation in a block."""
        return self.genetic if not self.is_by_block or block.random() < 0.5 else 0.0


# Add a kind here.
CURVES = {
    "strong": Curve(-0.9),
    "weak": Curve(-0.6),
    "nothing": Curve(0.0),
    "unrelated": Curve(0.0, is_noise_shared=False),
    "not-at-the-top": Curve(-0.9, stops_at_median=True),
    "reversed-stage": Curve(-0.9, is_first_stage_reversed=True),
    "by-block": Curve(-0.9, is_by_block=True),
    "learns-late": Curve(0.0, late=-0.5),
}


def trait(genetic: float, followed: Array, apart: Array) -> Array:
    """What losses show of each architecture: standardised, with this correlation to ``followed``; plain's is 0.

    ``apart`` is what else they show; the part of it that goes with ``followed`` is taken off.
    """
    known = standard(followed)
    rest = apart[1:] - apart[1:].mean()
    rest = rest - known[1:] * (known[1:] @ rest) / max(float(known[1:] @ known[1:]), 1e-12)
    other = standard(np.append(0.0, rest))
    return genetic * known + math.sqrt(1 - genetic**2) * other


def standard(values: Array) -> Array:
    """Mean 0 and deviation 1 over all but plain, which is first and gets 0."""
    spread = float(values[1:].std()) or 1.0
    return np.append(0.0, (values[1:] - values[1:].mean()) / spread)


def losses(
    curve: Curve, shown: float, gain: float, accuracy_noise: float, rng: random.Random, block: random.Random
) -> Sequence[float]:
    """The training loss of each epoch of an architecture whose losses show ``shown``; ``gain`` is standardised."""
    shared = LATE if curve.is_noise_shared else 0.0
    late = shared * accuracy_noise + math.sqrt(1 - shared**2) * rng.gauss(0, 1)
    late += curve.late * gain
    level = block.gauss(0, 1)
    found = []
    for epoch in EPOCHS:
        noise = epoch.late * late + math.sqrt(1 - epoch.late**2) * rng.gauss(0, 1)
        found.append(epoch.loss * math.exp(epoch.block * level + epoch.tau * shown + epoch.sigma * noise))
    return found
