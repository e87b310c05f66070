"""A pilot: trainings of plain with the epochs of the recipe and with others, to know its noise before a search."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from search.config import Experiment
from search.execute.trainer import Trainer
from search.results.class_recall import ClassRecall, differ, recalls_of
from search.results.doublings import doublings
from search.results.epochs_advice import EpochsAdvice
from search.results.objectives import qualities
from search.results.recipe_noise import Repeated, recipe_noise
from search.results.validation_noise import Learned
from search.setup.experiment_setup import Prepared
from search.setup.pilot_pace import Pace
from search.state.result_files import WEIGHTS
from senet_nas.recipe import Diverged, Recipe, Seed
from senet_nas.training import predictions
from senet_nas.training.passes import passes
from senet_nas.training.quality_metrics import Metric
from spaces.architecture import Architecture
from spaces.errors import NOTHING_USABLE, UserError
from spaces.text import plural

# How many trainings there are of all epochs, of half and of a quarter of them: the same compute for each length.
COUNTS = {1: 4, 2: 8, 4: 16}
# The trainings of twice the epochs, where no shorter length has a schedule: with those of the recipe, the compute of a
# dozen trainings, as usual.
TWICE = 4
# A schedule needs this many steps: one as the learning rate rises, one at its peak, and two as it falls.
FEWEST_STEPS = 4


def lengths(epochs: int, steps: int) -> dict[int, int]:
    """How many trainings of each number of epochs a pilot has, those of the recipe first; ``steps`` are in an epoch."""
    found: dict[int, int] = {}
    for part, count in COUNTS.items():
        length = epochs // part
        if part == 1 or length * steps >= max(steps, FEWEST_STEPS):
            found.setdefault(length, count)
    return found if len(found) > 1 else {**found, 2 * epochs: TWICE}


def of_length(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with other epochs and its whole schedule: of fewer epochs, the warm-up keeps its share.

    Of more epochs it stays as it is, for that is what somebody gets who sets train.epochs alone.
    """
    return replace(recipe, epochs=epochs, warmup=recipe.warmup * min(1.0, epochs / recipe.epochs))


@dataclass(frozen=True)
class Pilot:
    """What a pilot found: an advice about the epochs, and the recall of each class, if classes differ in size."""

    advice: EpochsAdvice
    classes: ClassRecall | None

    def lines(self) -> list[str]:
        """What it says of the noise, of more epochs, and of each class."""
        metric = self.advice.metric
        found = [f"noise     {line}" for line in self.advice.noise_lines()]
        found += [f"epochs    {one.words(metric)}" for one in self.advice.doublings]
        found += [f"recall    {self.classes.listed}"] if self.classes else []
        return [*found, *(f"caution   {text}" for text in self.cautions)]

    @property
    def cautions(self) -> list[str]:
        hidden = self.classes.words(self.advice.metric) if self.classes else ""
        return [text for text in (self.advice.caution, hidden) if text]

    def to_dict(self) -> dict[str, Any]:
        """``longer``: the epochs to try next if those of the recipe are too few, else None."""
        classes = {"classes": asdict(self.classes)} if self.classes else {}
        steps = [asdict(one) for one in self.advice.doublings]
        return {**asdict(self.advice.noise), **classes, "doublings": steps, "longer": self.advice.longer}


def check_possible(experiment: Experiment) -> None:
    """Raises UserError if results do not come from our own training."""
    if experiment.evaluate != "train":
        raise UserError("a pilot trains plain, which needs our own training", hint="leave `evaluate` out, or --pilot")


def pilot(
    prepared: Prepared,
    say: Callable[[str], None],
    *,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Pilot:
    """Trains plain on this machine, one training after the other, and keeps nothing of it; ``say`` hears what it does.

    ``seconds`` is what a training of the recipe takes, if that is known. Raises UserError if results do not come from
    our own training, or if plain diverges.
    """
    from senet_nas.data.batches import steps

    check_possible(prepared.experiment)
    recipe = prepared.experiment.train
    data = prepared.images

    def cost(length: int) -> float:
        return float(passes(of_length(recipe, length), data.train, data.validation))

    counts = lengths(recipe.epochs, steps(data.train, recipe))
    pace = Pace(counts, cost, say, clock)
    pace.announce(seconds)
    samples = []
    bits: list[bytes] = []
    for length, count in counts.items():
        say(f"pilot: {plural(count, 'training')} of plain with {plural(length, 'epoch')}")
        try:
            sample, correct = _repeated(prepared, length, count, pace.trained)
        except Diverged as error:
            if length == recipe.epochs:
                text = f"plain diverged in the pilot: {error}"
                raise UserError(text, key="train.lr", code=NOTHING_USABLE) from error
            say(f"pilot: plain diverged with {plural(length, 'epoch')}, so this length is left out: {error}")
            continue
        samples.append(sample)
        bits = bits or correct  # those of the recipe, which come first
    search = prepared.experiment.search
    metric = qualities(prepared.experiment.objectives)[0]
    noise = recipe_noise(samples, recipe.epochs, cost, level=search.level, metric=metric)
    guessing = guessing_at(samples, len(data.classes), metric)
    advice = EpochsAdvice(noise, doublings(samples, metric), guessing, search.worthwhile, metric)
    labels = np.array(prepared.labels.of_fold(0, data.folds) if prepared.labels else ())
    return Pilot(advice, recalls_of(bits, labels, data.classes) if differ(labels, data.classes) else None)


def guessing_at(samples: Sequence[Repeated], classes: int, metric: Metric) -> tuple[int, ...]:
    """The lengths after which plain is hardly better than guessing one of so many classes."""
    if metric.guessing is None:
        return ()
    guess = metric.guessing(classes)
    return tuple(one.epochs for one in samples if Learned(fmean(one.values), guess).has_nothing(metric))


# -- inside -----------------------------------------------------------------------------------------------------------


def _repeated(prepared: Prepared, epochs: int, count: int, trained: Callable[[], None]) -> tuple[Repeated, list[bytes]]:
    """Trainings from the same initial weights: they differ in what they draw afterwards, as within a seed block.

    Also which validation images each of them got right. Calls ``trained`` after each. Raises Diverged.
    """
    task = prepared.evaluate.training_task
    trainer = Trainer(replace(task, recipe=of_length(task.recipe, epochs)))
    plain = Architecture.plain(prepared.space.backbone, len(prepared.space.sites)).key
    metric = qualities(prepared.experiment.objectives)[0]
    folds = prepared.experiment.data.folds or 1  # all of them validate on the first one
    values = []
    correct = []
    predicted = []
    for replicate in range(count):
        with tempfile.TemporaryDirectory(prefix="senet-pilot-") as folder:
            # Another metric than accuracy needs predictions, which are kept beside weights.
            weights = None if metric.is_default else Path(folder) / WEIGHTS
            *_, last = trainer(plain, Seed(0, folds * replicate), weights=weights)
            found = predictions.read(Path(folder) / metric.file)
        values.append(last.metrics[metric.column])
        correct.append(last.correct or b"")
        predicted += [found] if found is not None else []
        trained()
    return Repeated.of(epochs, values, correct, prepared.images.validation, predicted, metric), correct
