"""Will the trainings of an experiment fit into memory? Estimated before anything large is allocated."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.execute.ray.resources import Slots
from senet_nas import gpus, hardware, nvidia
from senet_nas.costs import footprint
from senet_nas.costs.footprint import Footprint
from senet_nas.data import decoded_cache
from senet_nas.data.extent import extent, reading_test_images
from senet_nas.recipe import Recipe
from senet_nas.training.shared_plan import MOST, evaluated
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

    Their number comes from the list of the files: nothing is decoded. Images of the cache are mapped, not read.
    """
    kept = decoded_cache.entry(experiment.data, str(experiment.base))
    if kept is not None and kept.is_filled:
        return
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

    The images are in memory by now; the heavier one of plain and of SE everywhere is judged, and in one slot the shared
    network that the config asks for. A cluster is not judged: its nodes are not this machine.
    """
    if experiment.evaluate != "train" or not slots.is_local or slots.count is None:
        return
    from senet_nas.network.build import build

    heaviest = baselines(space)[:2][-1]
    network = build(heaviest, in_channels=data.channels, num_classes=data.num_classes)
    need = Need(experiment.train, network, data, slots.count)
    if experiment.search.shared == "on":
        members = evaluated(space, MOST, experiment.search.seed)
        need.blocks = footprint.of_shared_blocks(members, space.sites, experiment.train, len(data.shape) - 1)
    if device == "cuda":
        check_gpu(need, experiment.train.batch_size, slots, _free_on_gpu())
        return
    free = hardware.free_memory()
    one = need.training(experiment.train.batch_size)
    total = need.machine(one, slots.count)
    if total <= free:
        return
    times = f"{slots.count} trainings at a time take" if slots.count > 1 else "a training takes"
    raise UserError(
        f"{times} about {_gb(total)} of memory, but {_gb(free)} are free: {_parts(one, slots.count)}, "
        f"Ray {_gb(footprint.SERVICES)}{need.shared_part}",
        hint=need.remedy(free),
        key="train.batch_size",
        code=ENVIRONMENT,
    )


def check_full_training(
    experiment: Experiment, architecture: str, data: Any, device: str, devices: int, sizes: Sequence[int]
) -> None:
    """Raises UserError (ENVIRONMENT) if the full training of an architecture does not fit into memory.

    On one device it happens in this process, which holds the images by now; each of several ``devices`` has a process
    of its own for its part of a batch. ``sizes``: further image sizes in pixels at which the network is tested.
    """
    from senet_nas.network.build import build

    network = build(architecture, in_channels=data.channels, num_classes=data.num_classes)
    part = experiment.train.batch_size // devices
    need = Need(replace(experiment.train, batch_size=part), network, data, devices)
    free = _free_on_gpu() if device == "cuda" else hardware.free_memory()
    one = need.training(part)

    def takes(one: Footprint) -> int:
        if device == "cuda":
            images = need.images if gpus.holds_images(need.images, free) else 0
            return one.on_device + images + CONTEXT
        return one.on_device if devices == 1 else need.machine(one, devices)

    if takes(one) > free:
        fitting = need.largest_batch(takes, free) * devices
        where = " on a GPU" if device == "cuda" else ""
        raise UserError(
            f"the training takes about {_gb(takes(one))} of memory{where}, but {_gb(free)} are free: "
            f"{_parts(one, devices, has_process=device != 'cuda' and devices > 1)}",
            hint=f"add --set train.batch_size={fitting}, the largest that fits" if fitting else "free memory",
            key="train.batch_size",
            code=ENVIRONMENT,
        )
    for size in sizes:
        _check_test(experiment, network, data, size, free)


def _check_test(experiment: Experiment, network: "nn.Module", data: Any, size: int, free: int) -> None:
    """Raises UserError (ENVIRONMENT) if the test at another image size does not fit into memory."""
    shape = (data.channels, *[size] * (len(data.shape) - 1))
    n = len(data.y_test)
    images = reading_test_images(size, n, experiment.data, experiment.base)
    needed = footprint.testing(network, shape, n) + images
    if needed > free:
        raise UserError(
            f"the test at {size} pixels takes about {_gb(needed)} of memory, but {_gb(free)} are free",
            hint="give a smaller --test-size, or leave it out",
            code=ENVIRONMENT,
        )


# -- inside -----------------------------------------------------------------------------------------------------------


class Need:
    """What trainings of one recipe take, with any batch size and number of slots."""

    def __init__(self, recipe: Recipe, network: "nn.Module", data: Any, slots: int) -> None:
        self._recipe = recipe
        self._network = network
        self._shape = tuple(data.shape)
        self._n_validation = len(data.y_val)
        self._slots = slots
        self._footprints: dict[int, Footprint] = {}
        self.blocks = 0  # bytes of the SE blocks of a shared network, which one slot holds
        self.images = 0 if data.folder else data.x_train.numel() * data.x_train.element_size()

    def training(self, batch: int) -> Footprint:
        if batch not in self._footprints:
            recipe = replace(self._recipe, batch_size=batch)
            self._footprints[batch] = footprint.footprint(self._network, self._shape, recipe, self._n_validation)
        return self._footprints[batch]

    def machine(self, one: Footprint, count: int) -> int:
        """Bytes of all processes beside this one; what they share counts once."""
        return footprint.SERVICES + count * one.total - (count - 1) * footprint.SHARED + self.blocks

    @property
    def shared_part(self) -> str:
        """What a shared network takes, as the end of a list."""
        return f", the SE blocks of the shared network {_gb(self.blocks)}" if self.blocks else ""

    def remedy(self, free: int) -> str:
        """What to write so that the trainings fit: a batch size, fewer slots, or smaller images."""
        ways = []
        batch = self.largest_batch(lambda one: self.machine(one, self._slots), free)
        if batch:
            ways.append(f"write `train.batch_size: {batch}`, the largest that fits")
        given = self.training(self._recipe.batch_size)
        fewer = [n for n in range(self._slots - 1, 0, -1) if self.machine(given, n) <= free]
        if fewer:
            ways.append(f"write `resources.slots: {fewer[0]}`")
        if not ways and self._slots > 1 and (batch := self.largest_batch(lambda one: self.machine(one, 1), free)):
            ways.append(f"write `resources.slots: 1` and `train.batch_size: {batch}`")
        if self.blocks:
            ways.append("remove `search.shared`")
        return ", or ".join(ways) or "lower data.image_size, choose a smaller backbone, or free memory"

    def largest_batch(self, takes: Callable[[Footprint], int], free: int) -> int:
        """The largest batch below that of the recipe with which what it ``takes`` is free; 0 if none fits.

        Memory is counted for a few batches only: between two of them it lies on or below the line that joins them.
        """
        fits = SMALLEST_BATCH
        low = takes(self.training(fits))
        too_large = self._recipe.batch_size
        high = takes(self.training(too_large))
        if low > free:
            return 0
        while too_large - fits > 1:
            crossing = fits + int((too_large - fits) * (free - low) / (high - low))
            batch = max(fits + 1, min(crossing, too_large - 1))
            taken = takes(self.training(batch))
            if taken <= free:
                fits = batch
                low = taken
            else:
                too_large = batch
                high = taken
        return fits


def check_gpu(need: Need, batch: int, slots: Slots, free: int) -> None:
    """The same for the memory of a GPU that several slots may share.

    Each of them holds the training images, unless they are so many that they stay in the memory of the host.
    """
    count = slots.on_one_gpu or 1
    one = need.training(batch)
    images = need.images if gpus.holds_images(need.images, free, 1 / count) else 0

    def takes(one: Footprint) -> int:
        return count * (one.on_device + images + CONTEXT) + need.blocks

    if takes(one) <= free:
        return
    fitting = need.largest_batch(takes, free)
    raise UserError(
        f"{count} of {slots.count} trainings share a GPU with {_gb(free)} of free memory: {_parts(one, count)}, "
        f"images {_gb(images)}{need.shared_part}",
        hint=f"write `train.batch_size: {fitting}`, the largest that fits"
        if fitting
        else "lower data.image_size, or raise resources.gpus_per_slot",
        key="train.batch_size",
        code=ENVIRONMENT,
    )


def _free_on_gpu() -> int:
    """Free bytes of the GPU that has fewest. The driver is asked first: torch would keep a context on it."""
    known = [gpu.free for gpu in nvidia.visible() if not gpu.is_sliced]
    if known:
        return min(known)
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(free)


def _parts(one: Footprint, count: int, *, has_process: bool = True) -> str:
    each = "each takes " if count > 1 else ""
    process = f", {_gb(one.process)} for its process" if has_process else ""
    return (
        f"{each}{_gb(one.activations)} for activations and workspace at a batch of {one.batch}, "
        f"{_gb(one.weights)} for weights and optimizer{process}"
    )


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB"
