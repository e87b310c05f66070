"""How many trainings share a GPU: from the memory that plain takes, and the share of the time in which it computes."""

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch

from senet_nas import user_code
from senet_nas.costs.epoch_time import harmless
from senet_nas.data.load import Data
from senet_nas.recipe import Seed, Task
from senet_nas.training.evaluate import starting_network
from senet_nas.training.train import Training

# Batches of an epoch that is measured, and epochs before it: in these, torch and its libraries make their choices, and
# the step is captured.
BATCHES = 40
WARM_UP = 2
# The context of CUDA and the kernels of its libraries, in each process.
CONTEXT = 800_000_000
# The share of the memory that trainings get: some is lost between tensors, and some to whoever else is there.
USABLE = 0.9
# Seconds that a process waits for the others before the epoch that is measured.
PATIENCE = 300
# More trainings than this share nothing that is worth their processes.
MOST = 8


@dataclass(frozen=True)
class GpuUse:
    """What a training of plain takes of a GPU: bytes at its peak, without the context, and ``busy``, from 0 to 1.

    ``busy`` is the share of the time in which a kernel runs. ``seconds`` is the time of a batch.
    """

    memory: int
    busy: float
    seconds: float


@dataclass(frozen=True)
class Sharing:
    """How many trainings share a GPU, and what a user may do about it (``hint``, or empty)."""

    trainings: int
    hint: str = ""


def sharing(use: GpuUse, memory: int, cores: int, *, has_mps: bool) -> Sharing:
    """The number of trainings that fill a GPU with so many bytes of ``memory``, fed by so many ``cores``.

    As many as fit beside each other in time and in memory. Without CUDA's MPS the kernels of two processes never run
    at the same time, and the GPU changes from one to the other slowly: sharing then gains little (published: 0.96 to
    1.03 times the images per second, against 1.1 to 2 times with MPS), so each training gets a GPU for itself.
    """
    by_time = math.floor(1 / max(use.busy, 1 / MOST) + 1e-6)
    by_memory = math.floor(USABLE * memory / (use.memory + CONTEXT))
    best = max(1, min(MOST, by_time, by_memory, cores))
    if best == 1 or has_mps:
        return Sharing(best)
    return Sharing(
        1, f"{best} trainings would share a GPU if CUDA's MPS ran: start it with `nvidia-cuda-mps-control -d`"
    )


@dataclass(frozen=True)
class UseJob:
    """What is measured: plain as text, a few of the images, and the task of the trainings."""

    plain: str
    data: Data
    task: Task
    base: str


def few_images(data: Data, batch: int) -> Data:
    """As many of the images as are measured."""
    return replace(data.share(min(1.0, BATCHES * batch / len(data.y_train))), folder=None)


def measured(job: UseJob) -> GpuUse:
    """What a training takes of the GPU of this process, which should end afterwards."""
    user_code.look_in(job.base)
    model = starting_network(job.plain, job.data, job.task)
    recipe = harmless(job.task.recipe, WARM_UP + 2)
    training = Training(model, job.data, recipe, seed=Seed(0), device=job.task.device)
    for _ in range(WARM_UP):
        training.epoch()
    batches = max(1, len(job.data.y_train) // recipe.batch_size)
    began = time.perf_counter()
    busy = _kernel_seconds(training)
    seconds = time.perf_counter() - began
    return GpuUse(int(torch.cuda.max_memory_reserved()), min(1.0, busy / seconds), seconds / batches)


def slowdown(job: UseJob, trainings: int) -> float:
    """How many times as long a batch takes with so many trainings beside each other as with one alone."""
    context = multiprocessing.get_context("spawn")
    alone, together = (_mean_seconds(job, n, context) for n in (1, trainings))
    return max(1.0, together / alone)


def batch_seconds(job: UseJob, ready: Callable[[], object] = lambda: None) -> float:
    """Seconds of a batch in this process; ``ready`` is called, and may wait, before the epoch that is measured."""
    user_code.look_in(job.base)
    torch.set_num_threads(job.task.threads)
    model = starting_network(job.plain, job.data, job.task)
    recipe = harmless(job.task.recipe, WARM_UP + 2)
    training = Training(model, job.data, recipe, seed=Seed(0), device=job.task.device)
    for _ in range(WARM_UP):
        training.epoch()
    ready()
    began = time.perf_counter()
    training.epoch()
    return (time.perf_counter() - began) / max(1, len(job.data.y_train) // recipe.batch_size)


def _mean_seconds(job: UseJob, trainings: int, context: Any) -> float:
    """Mean seconds of a batch of so many processes, which begin the measured epoch together."""
    barrier = context.Barrier(trainings)
    with ProcessPoolExecutor(trainings, context, _share, (barrier,)) as pool:
        return statistics.fmean(pool.map(_batch_seconds_together, [job] * trainings))


_SHARED: dict[str, Any] = {}


def _share(barrier: Any) -> None:
    _SHARED["barrier"] = barrier


def _batch_seconds_together(job: UseJob) -> float:
    return batch_seconds(job, lambda: _SHARED["barrier"].wait(timeout=PATIENCE))


def _kernel_seconds(training: Training) -> float:
    """Seconds in which kernels ran during an epoch, as torch's profiler sees them."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        training.epoch()
        torch.cuda.synchronize()
    on_device = (event for event in found.events() or () if event.device_type == torch.autograd.DeviceType.CUDA)
    return float(sum(event.time_range.elapsed_us() for event in on_device)) / 1e6
