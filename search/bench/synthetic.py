"""Synthetic problems: gains with a known truth, made of effects of factors and a term of the architecture's own.

The priors below were written down before any search was run over them.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.bench.curves import CURVES, Array, losses, standard, trait
from search.bench.measured_curves import measured
from search.model.hyperparameters import HyperparameterGrid
from search.state.facts import Facts
from senet_nas.costs.measures import overheads
from senet_nas.costs.overhead import se_cost
from senet_nas.recipe import Seed, stable_hash
from spaces import Architecture, Site, Space, SpaceSpec
from spaces.errors import UserError, unknown

SIGMA = 0.3  # points: noise within a block
BLOCK = 0.24  # points: noise between blocks
UNSTRUCTURED = 1 / 3  # share of the variance of gains that no effect of a factor explains
PLAIN_ACCURACY = 90.0
# In multiples of SIGMA. With more, the best accuracies of a large space could pass 100 %.
LARGEST_TAU = 3.0
PLAIN_COSTS = {"params": 75_000, "macs": 2_000_000}
SIDES = (8, 8)


@dataclass(frozen=True)
class Kind:
    """A family of synthetic problems. ``tau`` is the standard deviation of true gains, in multiples of sigma."""

    space: str
    tau: float
    twist: str = ""
    curve: str = ""

    def problem(self, number: int) -> "Synthetic":
        """The problem of this number: the same in every process."""
        return Synthetic(self, SPACES[self.space](), number)


class Synthetic:
    """accuracy = plain + gain(architecture) + block + noise; gains have effects of factors and a term of their own."""

    seeds = None
    warmup = 0.0

    def __init__(self, kind: Kind, space: Space, number: int) -> None:
        self.space = space
        self._kind = kind
        self._number = number
        self._twist = TWISTS[kind.twist]
        self._effects_so_far: dict[tuple[object, ...], float] = {}

    @property
    def known(self) -> HyperparameterGrid:
        tau_ratio = 0.0 if self._twist.none else self._kind.tau
        return HyperparameterGrid.known(self._twist.sigma, tau_ratio, self._twist.unstructured)

    def price(self, architecture: Architecture) -> Mapping[str, float]:
        return _price(architecture, self.space.sites)

    def shared_network(self) -> Facts:
        raise UserError("no shared network can be trained for a synthetic problem", hint="use a table of trainings")

    def truth(self, architecture: Architecture) -> float:
        return self._gains[self._index[architecture.key]]

    def doubt(self, architecture: Architecture) -> float:
        return 0.0

    def block_gains(self, architecture: Architecture) -> Mapping[int, float]:
        return {}

    def accuracy(self, architecture: Architecture, seed: Seed) -> float:
        block = BLOCK * self._rng("block", seed.block).gauss(0, 1)
        scale = self._twist.sigma
        if self._twist.unequal and not architecture.is_plain:
            scale *= math.exp(self._twist.unequal * self._rng("scale", architecture.key).gauss(0, 1))
        shift = self._twist.block_factor * self._tau * self._block_factor(architecture, seed.block)
        return PLAIN_ACCURACY + self.truth(architecture) + block + shift + scale * self._noise(architecture, seed)

    def losses(self, architecture: Architecture, seed: Seed) -> Sequence[float]:
        """The training loss of each epoch; empty if the family has no curves."""
        if not self._kind.curve:
            return ()
        place, noise = self._index[architecture.key], self._noise(architecture, seed)
        rng, block = self._rng("losses", architecture.key, seed), self._rng("block loss", seed.block)
        if self._kind.curve in measured():
            return measured()[self._kind.curve].losses(self._effects[place], noise, rng, block)
        curve = CURVES[self._kind.curve]
        followed, apart, mean, gains = self._shown
        genetic = curve.genetic_in(self._rng("block curve", seed.block))
        shown = 0.0 if architecture.is_plain else mean + trait(genetic, followed, apart)[place]
        return losses(curve, shown, float(gains[place]), noise, rng, block)

    def _noise(self, architecture: Architecture, seed: Seed) -> float:
        """The noise of the accuracy of a training, with variance 1."""
        rng = self._rng("noise", architecture.key, seed)
        noise = rng.gauss(0, 1)
        if self._twist.tails:  # Student's t: a normal over the root of a chi-squared, scaled to the same variance
            freedom = self._twist.tails
            noise *= math.sqrt((freedom - 2) / rng.gammavariate(freedom / 2, 2))
        return noise

    @cached_property
    def _shown(self) -> tuple[Array, Array, float, Array]:
        """What losses may follow, what they show apart from it, their mean with SE, and gains, standardised."""
        curve = CURVES[self._kind.curve]
        gains = self._mixed("", 1)
        followed = curve.follows(gains, self._mixed("", -1))
        return followed, self._mixed("loss", 1), self._rng("mean loss").gauss(0, 1), standard(gains)

    @cached_property
    def _effects(self) -> Array:
        """What losses show of each architecture, epoch by epoch, where they are as a table has them."""
        kind = measured()[self._kind.curve]
        others = [self._mixed(f"loss {i}", 1) for i in range(kind.apart.shape[1])]
        return kind.effects(self._mixed("", 1), others, self._rng("mean loss").gauss(0, 1))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {architecture.key: i for i, architecture in enumerate(self._members)}

    @cached_property
    def _members(self) -> list[Architecture]:
        return list(self.space)

    @property
    def _tau(self) -> float:
        return self._kind.tau * self._twist.sigma

    @cached_property
    def _gains(self) -> list[float]:
        """Standardised over the space, so that tau means the same in every problem; plain's gain is 0."""
        mean = self._rng("mean").gauss(0, 1) * self._tau
        gains = [self._twist.shape(mean + self._tau * gain) for gain in self._mixed("", 1).tolist()]
        top = max(gains[1:])
        return [0.0] + [gain - top if self._twist.below else gain for gain in gains[1:]]

    def _mixed(self, what: str, first_stage: int) -> Array:
        """Effects of factors and own terms (architectures,), standardised; another draw for each ``what``.

        The effects of the first stage are multiplied by ``first_stage``.
        """
        members = self._members
        structured = _standard([self._structured(a, what, first_stage) for a in members])
        own = _standard([0.0 if a.is_plain else self._rng(what + "own", a.key).gauss(0, 1) for a in members])
        share = self._twist.unstructured
        mixed = [math.sqrt(1 - share) * s + math.sqrt(share) * o for s, o in zip(structured, own, strict=True)]
        return np.array(_standard(mixed))

    def _structured(self, architecture: Architecture, what: str, first_stage: int) -> float:
        """Sum over stages of their effect, changed by width, position and squeeze, plus a stage-position interplay."""
        stages = {s.stage: se for s, se in zip(self.space.sites, architecture.blocks, strict=True) if se is not None}
        total = 0.0
        for stage, se in stages.items():
            sign = first_stage if stage == 1 else 1
            main = self._effect(what, "stage", stage) + 0.5 * self._effect(what, "position", se.position)
            less = 0.3 * self._effect(what, "width", se.excitation) + 0.2 * self._effect(what, "squeeze", se.squeeze)
            total += sign * main
            total += sign * less
            total += sign * 0.5 * self._effect(what, "stage position", stage, se.position)
        return total

    def _block_factor(self, architecture: Architecture, block: int) -> float:
        stages = {s.stage for s, se in zip(self.space.sites, architecture.blocks, strict=True) if se is not None}
        return sum(self._rng("block factor", block, stage).gauss(0, 1) for stage in stages) / math.sqrt(3)

    def _effect(self, what: str, *name: object) -> float:
        """Remembered, because thousands of architectures share a few dozen effects."""
        key = what, *name
        if key not in self._effects_so_far:
            self._effects_so_far[key] = self._rng(what + "effect", *name).gauss(0, 1)
        return self._effects_so_far[key]

    def _rng(self, *name: object) -> random.Random:
        return random.Random(stable_hash(self._kind.space, self._number, *name))


@dataclass(frozen=True)
class Twist:
    """How a problem departs from the plain model: each field but ``sigma`` (points) is one way to be misspecified."""

    sigma: float = SIGMA
    unstructured: float = UNSTRUCTURED
    tails: float = 0.0
    unequal: float = 0.0
    block_factor: float = 0.0
    below: bool = False
    none: bool = False
    all_gain: float | None = None  # points: what every architecture gains

    def shape(self, gain: float) -> float:
        if self.all_gain is not None:
            return self.all_gain
        return 0.0 if self.none else gain


TWISTS = {
    "": Twist(),
    "heavy-tails": Twist(tails=3.0),
    "unequal-noise": Twist(unequal=0.5),
    "unstructured": Twist(unstructured=0.5),
    "structured": Twist(unstructured=0.2),
    "block-factor": Twist(block_factor=0.5),
    "little-noise": Twist(sigma=0.2),
    "null": Twist(none=True),
    "null-below": Twist(below=True),
    # As much as a proof must exceed: no proof is true.
    "min-gain": Twist(all_gain=0.05),
}


def _sites(stages: int) -> tuple[Site, ...]:
    positions = ("pre_addition", "post_addition", "pre_unit", "identity")
    widths = [16 * 2**stage for stage in range(stages)]
    return tuple(
        Site(f"{k + 1}.0", k + 1, {p: widths[max(0, k - 1)] if p == "pre_unit" else width for p in positions})
        for k, width in enumerate(widths)
    )


def _space(stages: int, **spec: object) -> Space:
    return Space("synthetic", _sites(stages), SpaceSpec(**spec))  # type: ignore[arg-type]


_FORM = "write synthetic:SPACE:TAU[:TWIST[:CURVE]], for example synthetic:113:0.6 for tau/sigma = 0.6"
_POSITIONS = ("pre_addition", "post_addition", "pre_unit", "identity")
SPACES: dict[str, Callable[[], Space]] = {
    "113": lambda: _space(3, reduction=(2, 8), position=_POSITIONS, squeeze=("avg", "max")),
    "721": lambda: _space(4, reduction=(2, 4, 8, 16), position=_POSITIONS, squeeze=("avg", "max", "std")),
    "9985": lambda: _space(
        4, reduction=(2, 4, 8, 16), position=_POSITIONS, squeeze=("avg", "max", "std", "avgmax"),
        tie=("reduction", "squeeze", "excitation", "gate"),
    ),
}  # fmt: skip


def _standard(values: Sequence[float]) -> list[float]:
    """Mean 0 and deviation 1 over all but plain, which is first."""
    rest = np.array(values[1:])
    spread = float(rest.std()) or 1.0
    return [0.0, *((rest - rest.mean()) / spread).tolist()]


def _price(architecture: Architecture, sites: Sequence[Site]) -> dict[str, float]:
    costs = [
        se_cost(site.channels[se.position], SIDES, se)
        for site, se in zip(sites, architecture.blocks, strict=True)
        if se is not None
    ]
    total = {column: plain + sum(cost[column] for cost in costs) for column, plain in PLAIN_COSTS.items()}
    return {**total, **overheads(total, PLAIN_COSTS)}


def named(text: str) -> Kind:
    """The family that ``SPACE:TAU[:TWIST[:CURVE]]`` names. Raises UserError."""
    space, tau, twist, curve, *_ = *text.split(":", 3), "", "", ""
    for part, value in (("SPACE", space), ("TAU", tau)):
        if not value:
            raise UserError(f"`synthetic:{text}` lacks {part}", hint=_FORM)
    if space not in SPACES:
        raise unknown("space", space, SPACES)
    curves = [*CURVES, *measured()]
    for what, word, allowed in (("twist", twist, TWISTS), ("curve", curve, ["", *curves])):
        if word not in allowed:
            error = unknown(what, word, [name for name in allowed if name])
            raise UserError(error.message, hint=_moved(space, tau, {twist, curve} - {""}, curves) or error.hint)
    return Kind(space, _tau(tau), twist, curve)


def _moved(space: str, tau: str, words: set[str], curves: Sequence[str]) -> str:
    """The hint that writes these words in their places; empty unless one is a twist at most, and one a curve."""
    twist, curve = words & set(TWISTS), words & set(curves)
    if max(len(twist), len(curve)) > 1 or words != twist | curve:
        return ""
    place = f"synthetic:{space}:{tau}:{''.join(twist)}:{''.join(curve)}".rstrip(":")
    return f"write {place}: a twist stands before a curve, and is empty if there is none"


def _tau(text: str) -> float:
    try:
        tau = float(text)
    except ValueError as error:
        raise UserError(f"TAU `{text}` is no number", hint=_FORM) from error
    if not 0 <= tau <= LARGEST_TAU:
        raise UserError(f"TAU is {text}; it must be a number from 0 to {LARGEST_TAU:g}", hint=_FORM)
    return tau
