"""A pilot: a few trainings of plain at the epochs of the recipe and below, to know its noise before a search."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from search.execute.trainer import Trainer
from search.results.class_recall import ClassRecall, differ, recalls_of
from search.results.doublings import Doubling, doublings
from search.results.objectives import qualities
from search.results.recipe_noise import RecipeNoise, Repeated, recipe_noise
from search.setup.experiment_setup import Prepared
from search.state.result_files import WEIGHTS
from senet_nas.recipe import Diverged, Seed
from senet_nas.training import predictions
from senet_nas.training.passes import passes
from spaces.architecture import Architecture
from spaces.errors import NOTHING_USABLE, UserError
from spaces.text import plural

# How many trainings there are of all epochs, of half and of a quarter of them: the same compute for each length.
COUNTS = {1: 4, 2: 8, 4: 16}


def lengths(epochs: int) -> dict[int, int]:
    """How many trainings of each number of epochs a pilot has, the longest first."""
    found: dict[int, int] = {}
    for part, count in COUNTS.items():
        if epochs // part >= 1:
            found.setdefault(epochs // part, count)
    return found


@dataclass(frozen=True)
class Pilot:
    """What a pilot found: the noise of the recipe, and the recall of each class, if classes differ in size.

    ``doublings``: what more epochs brought plain, the fewest first.
    """

    noise: RecipeNoise
    classes: ClassRecall | None
    doublings: tuple[Doubling, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        classes = {"classes": asdict(self.classes)} if self.classes else {}
        return {**asdict(self.noise), **classes, "doublings": [asdict(one) for one in self.doublings]}


def pilot(prepared: Prepared, say: Callable[[str], None]) -> Pilot:
    """Trains plain on this machine, one training after the other, and keeps nothing of it; ``say`` hears what it does.

    Raises UserError if results do not come from our own training, or if plain diverges.
    """
    evaluator = prepared.evaluate
    if not isinstance(evaluator, Trainer):
        raise UserError("a pilot trains plain, which needs our own training", hint="leave `evaluate` out, or --pilot")
    epochs = prepared.experiment.train.epochs
    samples = []
    bits: list[bytes] = []
    for length, count in lengths(epochs).items():
        say(f"pilot: {plural(count, 'training')} of plain with {plural(length, 'epoch')}")
        sample, correct = _repeated(prepared, evaluator, length, count)
        samples.append(sample)
        bits = bits or correct  # those of the longest trainings, which come first
    data = prepared.images
    recipe = prepared.experiment.train

    def cost(length: int) -> float:
        return float(passes(replace(recipe, epochs=length), data.train, data.validation))

    metric = qualities(prepared.experiment.objectives)[0]
    noise = recipe_noise(samples, epochs, cost, level=prepared.experiment.search.level, metric=metric)
    labels = np.array(prepared.labels.of_fold(0, data.folds) if prepared.labels else ())
    recalls = recalls_of(bits, labels, data.classes) if differ(labels, data.classes) else None
    return Pilot(noise, recalls, doublings(samples, metric))


# -- inside -----------------------------------------------------------------------------------------------------------


def _repeated(prepared: Prepared, evaluator: Trainer, epochs: int, count: int) -> tuple[Repeated, list[bytes]]:
    """Trainings from the same initial weights: they differ in what they draw afterwards, as within a seed block.

    Also which validation images each of them got right.
    """
    task = evaluator.task
    shorter = Trainer(replace(task, recipe=replace(task.recipe, epochs=epochs)))
    plain = Architecture.plain(prepared.space.backbone, len(prepared.space.sites)).key
    metric = qualities(prepared.experiment.objectives)[0]
    folds = prepared.experiment.data.folds or 1  # all of them validate on the first one
    values = []
    correct = []
    predicted = []
    for replicate in range(count):
        try:
            with tempfile.TemporaryDirectory(prefix="senet-pilot-") as folder:
                # Another metric than accuracy needs predictions, which are kept beside weights.
                weights = None if metric.is_default else Path(folder) / WEIGHTS
                *_, last = shorter(plain, Seed(0, folds * replicate), weights=weights)
                found = predictions.read(Path(folder) / metric.file)
        except Diverged as error:
            raise UserError(f"plain diverged in the pilot: {error}", key="train.lr", code=NOTHING_USABLE) from error
        values.append(last.metrics[metric.column])
        correct.append(last.correct or b"")
        predicted += [found] if found is not None else []
    return Repeated.of(epochs, values, correct, prepared.images.validation, predicted, metric), correct
