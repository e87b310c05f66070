"""The validation images of a search, read again to try an exported network on them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.state.facts import DataFact
from senet_nas.recipe import Seed
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.export.proof import Labelled

# Images on which every form of an export is tried; more would only take longer.
TRIED = 10_000
# Image files that an exported `predict.py` reads as a check.
READ = 32


@dataclass(frozen=True)
class ValidationImages:
    """Images as the network sees them with their labels, and the files of the first of them, if they come from files.

    ``labelled`` is None if the images cannot be had any more; ``caution`` says why. ``calibration`` are images of the
    training set.
    """

    labelled: "Labelled | None"
    files: tuple[Path, ...] = ()
    caution: str = ""
    calibration: Any = None


def validation_images(experiment: Experiment, known: DataFact, seed: Seed | None = None) -> ValidationImages:
    """The validation images of a search whose data were ``known`` like this; its networks can be exported without.

    With folds they are those of the training with this seed.
    """
    if experiment.evaluate != "train":
        return ValidationImages(None, caution="a function of yours measured the networks of this search")
    from senet_nas.data.augment import centre
    from senet_nas.data.folds import of_fold
    from senet_nas.data.load import load
    from senet_nas.data.reread import validation_files
    from senet_nas.deploy.deployed import calibration_images

    try:
        data = load(experiment.data, base=experiment.base)
        files = validation_files(experiment.data, base=experiment.base)
    except UserError as error:
        return ValidationImages(None, caution=error.message)
    if data.fingerprint != known.fingerprint:
        return ValidationImages(None, caution="the images are not those of the search any more")
    fold = experiment.data.fold(seed) if seed else 0
    data = of_fold(data, fold)
    labelled = centre(data.x_val[:TRIED], data.side), data.y_val[:TRIED]
    calibration = centre(calibration_images(data.x_train), data.side)
    return ValidationImages(labelled, () if fold else tuple(files[:READ]), calibration=calibration)
