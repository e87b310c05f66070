"""Which training of an architecture is exported, and all that is known about it."""

from dataclasses import dataclass

from search.config import Experiment
from search.results.paired_test import smallest_budget
from search.results.point import Point
from search.setup.opened_run import OpenedRun
from search.state import result_files, run_folder
from search.state.facts import DataFact
from search.state.records import Training, architecture_name
from search.track import projection
from spaces.errors import ENVIRONMENT, NOTHING_USABLE, UserError


@dataclass(frozen=True)
class ExportedChoice:
    """A point of the front and the training whose weights are exported, with the run that they come from."""

    run: OpenedRun
    point: Point
    training: Training

    @property
    def experiment(self) -> Experiment:
        return self.run.experiment

    @property
    def data(self) -> DataFact:
        """The images of the search. Only networks that we trained have weights, so there are some."""
        assert self.run.facts.data is not None
        return self.run.facts.data

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample: (channels, *spatial)."""
        data = self.data
        # Older versions noted no shape; their samples were square images.
        return tuple(data.shape or (data.channels, data.image_size, data.image_size))


def median_training(point: Point, run: OpenedRun) -> Training:
    """The training with the median validation result, among those of a point that kept their weights.

    Raises UserError if none did (code NOTHING_USABLE), or if they are gone (ENVIRONMENT).
    """
    kept = [t for t in run.ledger.trainings if t.state == "finished" and _has_weights(t, run)]
    own = [t for t in kept if t.architecture == point.number]
    if own:
        return projection.median(own, run.rules.quality)
    if _had_weights(point, run):
        raise _gone(point, run)
    names = ", ".join(sorted({architecture_name(t.architecture) for t in kept}))
    if kept:
        others, hint = f"there are those of {names}", f"{_training_in_full(point, run)}; or take one of those"
    elif any(t.weights for t in run.ledger.trainings):
        others, hint = "their files are gone", _training_in_full(point, run)
    else:
        others, hint = "none of them has finished", _way_to_confirmation(run)
    raise UserError(
        f"{point.id} has no weights: only plain, and what the confirmation trained again, keep theirs; " + others,
        hint=hint,
        code=NOTHING_USABLE,
    )


def _gone(point: Point, run: OpenedRun) -> UserError:
    """The error for weights that were kept, and whose files are missing."""
    place = run.folder.path
    return UserError(
        f"the weights of {point.id} are gone: its trainings finished, and {run.folder.trainings} lacks their files",
        hint=f"put them back (`senet-search doctor {place.name}{run_folder.option(place.parent)}` names them), "
        f"or {_training_in_full(point, run)}",
        code=ENVIRONMENT,
    )


def _had_weights(point: Point, run: OpenedRun) -> bool:
    """Whether a finished training of the point kept its weights. Ledgers without checksums do not say so."""
    return any(t.weights for t in run.ledger.trainings if t.architecture == point.number and t.state == "finished")


def _has_weights(training: Training, run: OpenedRun) -> bool:
    return (run.folder.trainings / training.uid / result_files.WEIGHTS).exists()


def _training_in_full(point: Point, run: OpenedRun) -> str:
    """What to type so that a network of this architecture is trained and exported, whatever the search kept."""
    place = run.folder.path
    return f"train it with `senet-search train {place.name} --pick {point.id}{run_folder.option(place.parent)}`"


def _way_to_confirmation(run: OpenedRun) -> str:
    """What to type so that a run gets a confirmation: continue it to its end, or extend it."""
    smallest = smallest_budget(run.rules.confirm)
    is_small = run.experiment.budget.trainings < smallest
    more = [f"--trainings +{smallest}"] if is_small or run.is_complete else []
    what = "extend the run" if run.is_complete else "the run was stopped: go on"
    hint = f"{what} with `{run_folder.command(run.folder, run.experiment.name, *more)}`"
    return f"{hint}; a confirmation takes a budget of {smallest} trainings" if is_small else hint
