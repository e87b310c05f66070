"""A pilot: a few trainings of plain at the epochs of the recipe and below, to know its noise before a search."""

from collections.abc import Callable
from dataclasses import replace

from search.execute.trainer import Trainer
from search.results.recipe_noise import RecipeNoise, Repeated, recipe_noise
from search.setup.experiment_setup import Prepared
from senet_nas.recipe import Diverged, Seed
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


def pilot(prepared: Prepared, say: Callable[[str], None]) -> RecipeNoise:
    """Trains plain on this machine, one training after the other, and keeps nothing of it; ``say`` hears what it does.

    Raises UserError if results do not come from our own training, or if plain diverges.
    """
    evaluator = prepared.evaluate
    if not isinstance(evaluator, Trainer):
        raise UserError("a pilot trains plain, which needs our own training", hint="leave `evaluate` out, or --pilot")
    epochs = prepared.experiment.train.epochs
    samples = []
    for length, count in lengths(epochs).items():
        say(f"pilot: {plural(count, 'training')} of plain with {plural(length, 'epoch')}")
        samples.append(_repeated(prepared, evaluator, length, count))
    data = prepared.images
    recipe = prepared.experiment.train

    def cost(length: int) -> float:
        return float(passes(replace(recipe, epochs=length), data.train, data.validation))

    return recipe_noise(samples, epochs, cost, level=prepared.experiment.search.level)


# -- inside -----------------------------------------------------------------------------------------------------------


def _repeated(prepared: Prepared, evaluator: Trainer, epochs: int, count: int) -> Repeated:
    """Trainings from the same initial weights: they differ in what they draw afterwards, as within a seed block."""
    task = evaluator.task
    shorter = Trainer(replace(task, recipe=replace(task.recipe, epochs=epochs)))
    plain = Architecture.plain(prepared.space.backbone, len(prepared.space.sites)).key
    accuracies = []
    correct = []
    for replicate in range(count):
        try:
            *_, last = shorter(plain, Seed(0, replicate))
        except Diverged as error:
            raise UserError(f"plain diverged in the pilot: {error}", key="train.lr", code=NOTHING_USABLE) from error
        accuracies.append(last.metrics["val_accuracy"])
        correct.append(last.correct or b"")
    return Repeated.of(epochs, accuracies, correct, prepared.images.validation)
