"""How long a training takes, measured before a search with plain: an epoch, quantisation, and others on its GPU."""

from typing import TYPE_CHECKING

from search.setup import gpu_sharing
from search.setup.experiment_setup import Prepared, weight_file
from senet_nas.quantised import Refused
from senet_nas.recipe import Diverged
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.costs.epoch_time import EpochTime


def of_epoch(prepared: Prepared) -> "EpochTime":
    """The time of an epoch of the plain network on the real images, on the threads of one slot."""
    from senet_nas.costs import epoch_time
    from senet_nas.training.evaluate import images

    experiment = prepared.experiment
    data = images(experiment.data, str(experiment.base.resolve()))
    model = experiment.model
    try:
        return epoch_time.of_plain(
            model.network,
            data,
            experiment.train,
            device=prepared.device,
            threads=prepared.slots.cpus,
            init=model.init,
            weights=weight_file(experiment),
        )
    except Diverged as error:
        raise UserError(
            "the loss of plain is not finite, although its weights hardly change in this measurement",
            hint="its initial weights give values that are too large: see model.backbone, model.weights, train.freeze",
            key="model.backbone",
        ) from error


def quantising(prepared: Prepared) -> float:
    """Seconds that quantisation takes as a training ends; 0 where no metric needs it."""
    from senet_nas.costs import quantising_time
    from senet_nas.training.evaluate import prepare

    if not prepared.evaluate.trains_networks:
        return 0.0
    task = prepared.evaluate.training_task
    try:
        return quantising_time.of_plain(prepared.space.backbone, prepare(task), task)
    except Refused as error:
        raise UserError(f"plain is {error}", hint="take another runtime", key="latency.runtime") from error


def slowdown(prepared: Prepared) -> float:
    """How much longer a training takes beside the others of its GPU, measured; 1 where none is beside it."""
    from senet_nas.training.evaluate import images

    experiment = prepared.experiment
    if prepared.slots.on_one_gpu < 2:
        return 1.0
    data = images(experiment.data, str(experiment.base.resolve()))
    return gpu_sharing.slowdown(experiment, prepared.space, data, prepared.evaluate, prepared.slots)
