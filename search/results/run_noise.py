"""The noise of a training in a run, split into its parts, each with its interval."""

from dataclasses import dataclass

import numpy as np

from search.model.posterior import Posterior
from search.results.evidence import Evidence
from search.results.recipe_noise import Figure, changes_of, draws_from_images
from search.results.validation_noise import repeated_bits, typical_images, validation, validation_of
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.text import plural


@dataclass(frozen=True)
class RunNoise:
    """The noise of a training of ``epochs``, as a gain is: all of it, that of training itself, that of the images."""

    epochs: int
    images: int
    sigma: Figure
    sigma_train: Figure
    from_images: Figure

    def words(self, metric: Metric = ACCURACY, *, are_long: bool = True) -> str:
        """Unless trainings were known to be too short, also how to learn whether other epochs pay."""
        pilot = "`senet-search check` with `--pilot` measures whether other epochs pay."
        form = metric.form
        unit = f" {metric.gain_unit}".rstrip() + metric.named
        split = (
            f"At {plural(self.epochs, 'epoch')}, trainings scatter by {self.sigma.words(form)}{unit} (standard "
            f"deviation). Training alone would scatter by {self.sigma_train.words(form)}, the choice of the "
            f"{self.images:,} validation images alone by {self.from_images.words(form)}."
        )
        return f"{split} {pilot}" if are_long else split


def run_noise(evidence: Evidence, posterior: Posterior, level: float) -> RunNoise | None:
    """None if no network was trained twice in a block, or the results are not of our own training."""
    plain = evidence.by_architecture.get(0, ())
    groups, sizes = repeated_bits(evidence)
    by_bits = validation(groups, typical_images(evidence), posterior.sigma, sizes) if evidence.images else None
    found = validation_of(evidence, posterior.sigma)
    if by_bits is None or found is None or not plain or not plain[0].curve:
        return None
    freedom = sum(len(group) - 1 for group in groups)
    count = len(posterior.sigmas)
    is_accuracy = evidence.metric == ACCURACY
    changes = changes_of(by_bits.from_images, by_bits.images, freedom) if is_accuracy else freedom / 2
    images = draws_from_images(found.from_images, changes, count, np.random.default_rng(0))
    train = np.sqrt(np.maximum(posterior.sigmas**2 - images**2, 0.0))
    figures = [Figure.of(draws, level) for draws in (posterior.sigmas, train, images)]
    return RunNoise(int(plain[0].curve[-1]["epoch"]), found.images, *figures)
