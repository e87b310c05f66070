"""How many trainings of a search share a GPU of this machine: measured with plain before the first training."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.execute.evaluator import Evaluator
from search.execute.ray.resources import Slots, spread
from senet_nas import gpus, hardware, nvidia
from senet_nas.recipe import Task
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    from senet_nas.costs.gpu_use import GpuUse, UseJob


def is_open(experiment: Experiment, slots: Slots) -> bool:
    """Whether the config leaves it to a measurement how many trainings share a GPU of this machine."""
    resources = experiment.resources
    is_auto = resources.gpus_per_slot == resources.slots == resources.cpus_per_slot == "auto"
    return is_auto and experiment.evaluate == "train" and slots.is_local and slots.gpus > 0


def settled(
    experiment: Experiment,
    space: Space,
    data: Any,
    evaluate: Evaluator,
    slots: Slots,
    *,
    measure: "Callable[[Any], GpuUse] | None" = None,
) -> tuple[Slots, str]:
    """The slots of a search whose config leaves them open, and a sentence about them; else as they are.

    Plain is measured in a process of its own, which leaves no context on the GPU behind.
    """
    if not is_open(experiment, slots):
        return slots, ""
    from senet_nas.costs import gpu_use

    use = (measure or _in_a_process)(job_of(experiment, space, data, evaluate.training_task))
    here = gpus.count()
    cores = hardware.cores()
    memory = min((gpu.memory for gpu in nvidia.visible()), default=0) or gpus.total_memory("cuda")
    found = gpu_use.sharing(use, memory, max(1, cores // here), has_mps=gpus.has_mps())
    share = f"{found.trainings} of them share it" if found.trainings > 1 else "each has a GPU for itself"
    hint = f"; {found.hint}" if found.hint else ""
    said = f"a training of plain takes {use.memory / 1e9:.1f} GB of a GPU, busy for {use.busy:.0%} of the time: {share}"
    count = min(here * found.trainings, cores)
    return replace(slots, count=count, cpus=max(1, cores // count), gpus=spread(count, here)), f"{said}{hint}"


def slowdown(experiment: Experiment, space: Space, data: Any, evaluate: Evaluator, slots: Slots) -> float:
    """How many times as long a training takes beside the others of its GPU as alone; 1 where none is beside it."""
    if slots.on_one_gpu < 2 or not slots.is_local or not evaluate.trains_networks:
        return 1.0
    from senet_nas.costs import gpu_use

    return gpu_use.slowdown(job_of(experiment, space, data, evaluate.training_task), slots.on_one_gpu)


def without_mps(slots: Slots) -> str:
    """A caution about trainings that share a GPU without CUDA's MPS; empty where there are none."""
    if not slots.is_local or slots.on_one_gpu < 2 or gpus.has_mps():
        return ""
    return (
        f"{slots.on_one_gpu} trainings share a GPU and take turns, because CUDA's MPS does not run: start it with "
        "`nvidia-cuda-mps-control -d`"
    )


def job_of(experiment: Experiment, space: Space, data: Any, task: Task) -> "UseJob":
    """What is measured on a GPU: plain, on a few of the images."""
    from senet_nas.costs import gpu_use

    plain = Architecture.plain(space.backbone, len(space.sites)).key
    few = gpu_use.few_images(data, task.recipe.batch_size)
    return gpu_use.UseJob(plain, few, task, str(experiment.base.resolve()))


def _in_a_process(job: Any) -> "GpuUse":
    from senet_nas.costs.gpu_use import GpuUse, measured

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        use: GpuUse = pool.submit(measured, job).result()
    return use
