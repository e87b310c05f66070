"""Will the trainings of an experiment fit into memory? Estimated before anything large is allocated."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.execute.ray.resources import Slots
from search.setup.fit_checks import power_of_two
from senet_nas import hardware
from senet_nas.costs import footprint
from senet_nas.costs.footprint import Footprint
from senet_nas.data.extent import extent
from spaces.errors import ENVIRONMENT, UserError
from spaces.placements import baselines
from spaces.space import Space

if TYPE_CHECKING:
    from torch import nn

GB = 1e9
# BatchNorm needs two samples, and a recipe allows no fewer.
SMALLEST_BATCH = 2
# A GPU also holds the context of CUDA and the kernels of its libraries.
CONTEXT = 800_000_000


def check_data(experiment: Experiment) -> None:
    """Raises UserError (ENVIRONMENT) if the images of an experiment do not fit into memory while they are read.

    Their number comes from the list of the files: nothing is decoded.
    """
    found = extent(experiment.data, experiment.base)
    free = hardware.free_memory()
    if found is None or found.reading <= free:
        return
    side = found.shape[-1]
    smaller = max(1, int(side * (free / found.reading) ** 0.5) // 8 * 8)
    lower = f"write `data.image_size: {smaller}` or less" if smaller >= 8 else "use fewer images"
    raise UserError(
        f"{found.n} images of {side} x {side} pixels take {_gb(found.reading)} of memory while they are read "
        f"({_gb(found.decoded)} decoded, and copies), but {_gb(free)} are free",
        hint=f"write `data.streaming: always`, or {lower}" if found.can_stream else lower,
        key="data.streaming" if found.can_stream else "data.image_size",
        code=ENVIRONMENT,
    )


def check_trainings(experiment: Experiment, space: Space, data: Any, device: str, slots: Slots) -> None:
    """Raises UserError (ENVIRONMENT) if the trainings of an experiment do not fit into the memory of this machine.

    The images are in memory by now; the heavier one of plain and of SE everywhere is judged. A cluster is not judged:
    its nodes are not this machine.
    """
    if experiment.evaluate != "train" or not slots.is_local or slots.count is None:
        return
    from senet_nas.network.build import build

    heaviest = baselines(space)[:2][-1]
    network = build(heaviest, in_channels=data.channels, num_classes=data.num_classes)
    need = _Need(experiment, network, data, slots)
    if device == "cuda":
        _check_gpu(need, experiment, slots)
        return
    free = hardware.free_memory()
    one = need.training(experiment.train.batch_size)
    total = need.machine(one, slots.count)
    if total <= free:
        return
    times = f"{slots.count} trainings at a time take" if slots.count > 1 else "a training takes"
    raise UserError(
        f"{times} about {_gb(total)} of memory, but {_gb(free)} are free: {_parts(one, slots.count)}, "
        f"Ray {_gb(footprint.SERVICES)}",
        hint=need.remedy(free),
        key="train.batch_size",
        code=ENVIRONMENT,
    )


# -- inside -----------------------------------------------------------------------------------------------------------


class _Need:
    """What the trainings of an experiment take, with any batch size and number of slots."""

    def __init__(self, experiment: Experiment, network: "nn.Module", data: Any, slots: Slots) -> None:
        self._recipe = experiment.train
        self._network = network
        self._shape = tuple(data.shape)
        self._n_validation = len(data.y_val)
        self._slots = slots.count or 1
        self.images = 0 if data.folder else data.x_train.numel() * data.x_train.element_size()

    def training(self, batch: int) -> Footprint:
        recipe = replace(self._recipe, batch_size=batch)
        return footprint.footprint(self._network, self._shape, recipe, self._n_validation)

    def machine(self, one: Footprint, count: int) -> int:
        """Bytes of all processes beside this one; what they share counts once."""
        return footprint.SERVICES + count * one.total - (count - 1) * footprint.SHARED

    def remedy(self, free: int) -> str:
        """What to write so that the trainings fit: a batch size, fewer slots, or smaller images."""
        ways = []
        batch = self._largest_batch(free, self._slots)
        if batch:
            ways.append(f"write `train.batch_size: {batch}`")
        given = self.training(self._recipe.batch_size)
        fewer = [n for n in range(self._slots - 1, 0, -1) if self.machine(given, n) <= free]
        if fewer:
            ways.append(f"write `resources.slots: {fewer[0]}`")
        if not ways and self._slots > 1 and (batch := self._largest_batch(free, 1)):
            ways.append(f"write `resources.slots: 1` and `train.batch_size: {batch}`")
        return " or ".join(ways) or "lower data.image_size, choose a smaller backbone, or free memory"

    def _largest_batch(self, free: int, count: int) -> int:
        """The largest power of two below the batch size that fits; 0 if none does."""
        batch = power_of_two(self._recipe.batch_size)
        while batch >= SMALLEST_BATCH:
            if batch < self._recipe.batch_size and self.machine(self.training(batch), count) <= free:
                return batch
            batch //= 2
        return 0


def _check_gpu(need: _Need, experiment: Experiment, slots: Slots) -> None:
    """The same for the memory of a GPU that several slots may share; each of them holds the training images."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    count = max(1, int(1 / slots.gpus)) if slots.gpus else 1
    batch = experiment.train.batch_size
    while batch >= SMALLEST_BATCH:
        total = count * (need.training(batch).on_device + need.images + CONTEXT)
        if total <= free:
            break
        batch = power_of_two(batch - 1) if batch > SMALLEST_BATCH else 0
    if batch == experiment.train.batch_size:
        return
    one = need.training(experiment.train.batch_size)
    raise UserError(
        f"{count} of {slots.count} trainings share a GPU with {_gb(free)} of free memory: {_parts(one, count)}, "
        f"images {_gb(need.images)}",
        hint=f"write `train.batch_size: {batch}`"
        if batch
        else "lower data.image_size, or raise resources.gpus_per_slot",
        key="train.batch_size",
        code=ENVIRONMENT,
    )


def _parts(one: Footprint, count: int) -> str:
    each = "each takes " if count > 1 else ""
    return (
        f"{each}{_gb(one.activations)} for activations and workspace at a batch of {one.batch}, "
        f"{_gb(one.weights)} for weights and optimizer, {_gb(one.process)} for its process"
    )


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB"
