"""Does an experiment fit its data and its space? What the config alone cannot show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from search.config import Experiment
from search.planning.priced_space import PricedSpace
from search.results.objectives import excess
from senet_nas.costs.measures import counted
from senet_nas.recipe import Recipe
from senet_nas.training.metric_classes import check_classes
from spaces.errors import UserError
from spaces.text import plural

# Up to this many architectures are priced to check a limit; a larger space is not judged by its first ones.
PRICED = 10_000


def power_of_two(most: int) -> int:
    """The largest power of two that is at most ``most``."""
    return 1 << (most.bit_length() - 1)


def fitting_batch(n_train: int) -> int:
    """A batch size with about eight steps an epoch: with one or two steps, the learning rate says little."""
    return power_of_two(max(2, n_train // 8))


def check_limits(experiment: Experiment, priced: PricedSpace) -> None:
    """Raises UserError if no architecture but plain is within all limits. A very large space is not checked."""
    objectives = experiment.objectives
    space = priced.space
    # A limit on what is timed can only be judged once it is.
    objectives = tuple(
        objective for objective in objectives if objective.metric in {measure.name for measure in counted()}
    )
    if space.size > PRICED or all(objective.limit is None for objective in objectives):
        return
    prices = [priced.price(architecture) for architecture in space if not architecture.is_plain]
    if not any(excess(objectives, price) <= 0 for price in prices):
        strict = next(objective for objective in objectives if objective.limit is not None)
        # Qualities were put first, so the file may number them in another way.
        written = experiment.document.tree["objectives"]
        index = next(i for i, objective in enumerate(written) if objective["metric"] == strict.metric)
        least = min(price[strict.column] for price in prices)
        raise UserError(
            f"no architecture of the space is within the limits; the least {strict.metric} overhead is +{least:.3g} %",
            hint="raise the limit, or allow larger reduction ratios",
            key=f"objectives.{index}.limit",
        )


def check_batch(experiment: Experiment, n_train: int) -> None:
    if experiment.evaluate == "train" and experiment.train.batch_size > n_train:
        fitting = fitting_batch(n_train)
        raise UserError(
            f"{experiment.train.batch_size} is more than the {n_train} images that train",
            hint=f"write `train.batch_size: {fitting}`: {plural(n_train // fitting, 'step')} an epoch",
            key="train.batch_size",
        )


def check_pauses(experiment: Experiment, *, can_pause: bool) -> None:
    """Raises UserError if trainings are to pause or to be stopped early, and the function of the user's cannot."""
    wanted = {"short": experiment.search.short == "on", "halving": experiment.search.halving is not None}
    for name, is_on in wanted.items():
        if is_on and not can_pause:
            raise UserError(
                "works only with `evaluate: train`, or with a function that takes `network` and `training`",
                hint=f"remove search.{name}",
                key=f"search.{name}",
            )


def check_metrics(experiment: Experiment, classes: Sequence[str], counts: Sequence[int]) -> None:
    """Raises UserError if a metric cannot be measured; ``counts`` are the validation images of each of the classes."""
    written = experiment.document.tree.get("objectives", [])
    for index, objective in enumerate(written):
        with _at(f"objectives.{index}.metric"):
            check_classes(objective["metric"], classes, counts)
    for index, name in enumerate(experiment.record):
        with _at(f"record.{index}"):
            check_classes(name, classes, counts)


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Gives an error the key that it is about."""
    try:
        yield
    except UserError as error:
        raise UserError(error.message, hint=error.hint, key=key) from error


def check_augmentation(experiment: Experiment, dimensions: int) -> None:
    """Raises UserError if signals or volumes are to be augmented in a way that only images can be."""
    if dimensions == 2:
        return
    for name in ("jitter", "shift", "rotation", "crop_area"):
        usual = getattr(Recipe, name)
        if getattr(experiment.train, name) != usual:
            raise UserError(
                f"{name} applies only to image data",
                hint=f"remove it, or write `{name}: {usual:g}`",
                key=f"train.{name}",
            )
