"""How noisy a training is at some numbers of epochs, and what others are worth: from a pilot of trainings of plain.

    sigma^2(E) = v (E0 / E)^b + c(E) / n

The first part is the noise of training itself, which falls with the epochs E; the second comes from having n validation
images. A comparison of placements needs N trainings in proportion to sigma^2, so for equal compute a recipe is worth
1 / (sigma^2 cost). How much placements differ may change with the epochs, too; a pilot of plain cannot tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.results.validation_noise import validation
from senet_nas.training import image_noise
from senet_nas.training.predictions import Predictions
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.text import plural

Array = NDArray[np.float64]
# Prior of b, the exponent of the training noise: on CIFAR-10 it is 1.6 from 4 to 16 epochs and 0.3 from 16 to 64
# (standard deviations 0.56, 0.19, 0.15 points: Jordan, ICLR 2024).
EXPONENT = 0.8
EXPONENT_SPREAD = 0.8
# The grid of the standard deviation of training noise in points, and of b. Of a metric that is not in percent, the
# spread of its values counts as a point.
NOISES = np.geomspace(0.005, 20.0, 160)
EXPONENTS = np.linspace(-0.8, 2.6, 69)
DRAWS = 4000


@dataclass(frozen=True)
class Repeated:
    """Whole trainings of one network from the same initial weights: ``epochs``, and their values.

    ``from_images`` is the noise that comes from having ``images`` validation images, in the unit of the values. It is
    known from so many ``changes``: images on which trainings differ; None if the noise says how many.
    """

    epochs: int
    values: tuple[float, ...]
    from_images: float
    images: int
    changes: float | None = None

    @classmethod
    def of(
        cls,
        epochs: int,
        values: Sequence[float],
        correct: Sequence[bytes],
        images: int,
        predicted: Sequence[Predictions] = (),
        metric: Metric = ACCURACY,
    ) -> "Repeated":
        """``correct`` has the packed bits of each training: which of the validation ``images`` were right.

        ``predicted`` has the predictions of each, for another metric than accuracy.
        """
        by_bits = validation([correct], images, float(np.std(values)))
        from_bits = by_bits.from_images if by_bits else 0.0
        if metric == ACCURACY:
            return cls(epochs, tuple(values), from_bits, images)
        return cls(epochs, tuple(values), image_noise.noise([predicted], metric) or 0.0, images, (len(values) - 1) / 2)

    @property
    def freedom(self) -> int:
        return len(self.values) - 1

    def draws_from_images(self, rng: np.random.Generator) -> Array:
        own = changes_of(self.from_images, self.images, self.freedom)
        return draws_from_images(self.from_images, own if self.changes is None else self.changes, DRAWS, rng)


@dataclass(frozen=True)
class Figure:
    """An estimate with its interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: Array, level: float) -> "Figure":
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        return cls(float(np.median(draws)), float(low), float(high))

    def words(self, form: str = ".2f") -> str:
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True)
class LengthNoise:
    """The noise of a training of ``epochs``, in the unit of a gain: all of it, and the part of training itself.

    ``from_images`` is the part of the validation images. ``cost`` is in trainings of the recipe; ``worth`` is how many
    times as much the same compute tells. ``count`` trainings were measured; none for a forecast.
    """

    epochs: int
    sigma: Figure
    sigma_train: Figure
    from_images: Figure
    cost: float
    worth: Figure
    count: int

    def words(self, metric: Metric = ACCURACY) -> str:
        """What is known of the noise of a number of epochs that is not the recipe's; a verdict follows."""
        what = "had" if self.count else "would have"
        sigma = self.sigma.words(metric.form)
        head = f"{plural(self.epochs, 'epoch')} {what} sigma {sigma} at {self.cost:.2g} times the cost"
        worth = f"for equal compute worth {self.worth.words()} times as many trainings"
        return f"{head}: {worth}"


@dataclass(frozen=True)
class RecipeNoise:
    """What a pilot says about the noise of a recipe, and about half and twice its epochs, the shortest first."""

    recipe: LengthNoise
    others: tuple[LengthNoise, ...]
    images: int

    def line(self, metric: Metric = ACCURACY) -> str:
        """The noise of the recipe and its two parts."""
        one = self.recipe
        form = metric.form
        unit = f" {metric.gain_unit}".rstrip() + metric.named
        return (
            f"{plural(one.epochs, 'epoch')}: sigma {one.sigma.words(form)}{unit} between trainings of plain. Training "
            f"itself makes {one.sigma_train.words(form)} of it, the {self.images:,} validation images "
            f"{one.from_images.words(form)}."
        )


def recipe_noise(
    samples: Sequence[Repeated],
    epochs: int,
    cost: Callable[[int], float],
    *,
    level: float = 0.9,
    seed: int = 0,
    metric: Metric = ACCURACY,
) -> RecipeNoise:
    """The noise of a recipe of ``epochs`` from repeated trainings of several lengths, averaged over v and b.

    ``cost`` gives what a training of so many epochs costs, in any unit. Half of the epochs need a sample. Twice as many
    are a forecast without one, with the validation noise of the longest sample.
    """
    rng = np.random.default_rng(seed)
    point = 1.0 if metric.is_percent else max(float(np.std(sample.values)) for sample in samples) or 1.0
    noises, exponents = _draws(samples, epochs, NOISES * point, rng)
    by_length = {sample.epochs: sample for sample in samples}
    validation_noise = {length: sample.draws_from_images(rng) for length, sample in by_length.items()}

    def variances(length: int) -> tuple[Array, Array]:
        known = length if length in by_length else max(by_length)
        return noises**2 * (epochs / length) ** exponents, validation_noise[known] ** 2

    own = sum(variances(epochs), start=np.zeros(DRAWS))

    def length_noise(length: int) -> LengthNoise:
        train, from_images = variances(length)
        relative = cost(length) / cost(epochs)
        worth = own / ((train + from_images) * relative)
        count = len(by_length[length].values) if length in by_length else 0
        return LengthNoise(
            length,
            Figure.of(np.sqrt(train + from_images), level),
            Figure.of(np.sqrt(train), level),
            Figure.of(np.sqrt(from_images), level),
            relative,
            Figure.of(worth, level),
            count,
        )

    others = [length for length in (epochs // 2, 2 * epochs) if length in by_length or length > epochs]
    return RecipeNoise(length_noise(epochs), tuple(length_noise(length) for length in others), samples[0].images)


def changes_of(from_images: float, images: int, freedom: int) -> float:
    """How many images changed sides between trainings, from the noise in points that they cause in the accuracy.

    ``freedom`` is the number of trainings less that of the groups in which they are compared.
    """
    return (from_images / 100 * images) ** 2 * freedom


def draws_from_images(from_images: float, changes: float, count: int, rng: np.random.Generator) -> Array:
    """Draws of the noise from the number of validation images, known from so many ``changes`` of images.

    Half of the degrees of freedom take their place where the noise is a variance between trainings.
    """
    if changes == 0:
        return np.zeros(count)
    found: Array = from_images * np.sqrt(rng.gamma(changes, size=count) / changes)
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


def _draws(samples: Sequence[Repeated], epochs: int, grid: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws of the standard deviation of training noise at ``epochs`` and of its exponent, from their posterior.

    ``grid`` holds the deviations that are possible.
    """
    noises = grid[:, None]
    exponents = EXPONENTS[None, :]
    log = -0.5 * ((exponents - EXPONENT) / EXPONENT_SPREAD) ** 2 + 0 * noises
    for sample in samples:
        squares = float(np.var(sample.values)) * len(sample.values)
        variance = noises**2 * (epochs / sample.epochs) ** exponents + sample.from_images**2
        log = log - 0.5 * sample.freedom * np.log(variance) - 0.5 * squares / variance
    weights = np.exp(log - log.max()).ravel()
    picked = rng.choice(weights.size, DRAWS, p=weights / weights.sum())
    row, column = np.divmod(picked, len(EXPONENTS))
    return grid[row], EXPONENTS[column]
