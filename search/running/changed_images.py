"""Notes what a placement changes about single images: which, with small pictures, and which classes it confuses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.report.class_changes import compared
from search.results.image_flips import ImageFlips, image_flips, right_images
from search.results.point import Point
from search.results.result import Front
from search.setup.experiment_setup import Prepared
from search.state import result_files
from search.state.changes_fact import ChangedImage, ChangesFact, Confusions
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.recipe import Task

Array = NDArray[np.float64]
# Trainings of each architecture whose confusions are averaged, and classes of which they are shown.
MOST_TRAININGS = 4
MOST_CLASSES = 12


def note_changes(prepared: Prepared, ledger: Ledger, front: Front, place: RunFolder) -> None:
    """Notes the changes between plain and the placement that the answer is about, if the run knows its images."""
    point, facts = compared(front), ledger.facts
    if point is None or facts.labels is None or not prepared.evaluate.trains_networks or prepared.images.folds:
        return
    labels = facts.labels.classes
    plain, other = (right_images(ledger.trainings, number, len(labels)) for number in (0, point.number))
    if not len(plain) or not len(other):
        return
    task = prepared.evaluate.training_task
    flips = image_flips(plain, other)
    chosen = flips.shown(prepared.experiment.search.pictures)
    ledger.note(
        Facts(
            changes=ChangesFact(
                placement=point.id,
                gained=len(flips.gained),
                lost=len(flips.lost),
                images=_images(flips, chosen, labels, task),
                confusions=_confusions(front.plain, point, ledger, place, task),
            )
        )
    )


def clearest(change: Array, most: int) -> list[int]:
    """The classes of the largest changes (K, K), in their order: at most so many."""
    if len(change) <= most:
        return list(range(len(change)))
    chosen: set[int] = set()
    for place in np.argsort(-np.abs(change), axis=None):
        pair = set(map(int, divmod(int(place), len(change))))
        if len(chosen | pair) > most:
            break
        chosen |= pair
    return sorted(chosen)


# -- inside -----------------------------------------------------------------------------------------------------------


def _images(flips: ImageFlips, chosen: Sequence[int], labels: Sequence[int], task: Task) -> tuple[ChangedImage, ...]:
    """The chosen images with their pictures; none for signals."""
    from senet_nas.data.augment import centre
    from senet_nas.data.thumbnails import thumbnail
    from senet_nas.training.evaluate import prepare

    data = prepare(task)
    found = []
    for i in chosen:
        picture = thumbnail(centre(data.x_val[i : i + 1], data.side)[0])
        if picture is not None:
            found.append(ChangedImage(labels[i], float(flips.before[i]), float(flips.after[i]), picture))
    return tuple(found)


def _confusions(plain: Point, other: Point, ledger: Ledger, place: RunFolder, task: Task) -> Confusions | None:
    """Of trainings that kept their weights; None if those of plain or of the placement did not."""
    matrices = [_matrices(point, ledger, place, task) for point in (plain, other)]
    if not all(matrices):
        return None
    before, after = (np.mean(of, axis=0) for of in matrices)
    classes = clearest(after - before, MOST_CLASSES)
    return Confusions(
        tuple(classes),
        _rows(before, classes),
        _rows(after, classes),
        tuple(map(len, matrices)),
    )


def _matrices(point: Point, ledger: Ledger, place: RunFolder, task: Task) -> list[NDArray[np.int64]]:
    from senet_nas.training.confusion import confusion

    own = [t for t in ledger.trainings if t.architecture == point.number and t.state == "finished"]
    files = [path for t in own if (path := result_files.weights(place.trainings, t)).exists()]
    return [confusion(point.architecture, path, task) for path in files[:MOST_TRAININGS]]


def _rows(matrix: Array, classes: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(matrix[i, j]) for j in classes) for i in classes)
