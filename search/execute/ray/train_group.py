"""One training on several devices: Ray Train starts a process for each and tells when one is lost.

Ray Train holds no state of ours, retries nothing and writes no checkpoints: the folder of the training does that.
"""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import train
from ray.train.backend import Backend
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.util.queue import Empty, Queue

from search.execute.ray.resources import Job
from senet_nas.recipe import Diverged, Report
from spaces.errors import ENVIRONMENT, UserError

LOOK_SECONDS = 0.5
# What the others say when a process is gone: that it does not answer any more.
_LOST = re.compile(r"gloo|nccl|peer|connection", re.IGNORECASE)


def reports(job: Job, devices: int, resources: dict[str, float], scratch: Path) -> Iterator[Report]:
    """What the first of the processes reports after each epoch, on a running Ray. ``resources``: of each process.

    Raises UserError and Diverged as the training does, UserError (code 4) where a process is lost.
    """
    told = Queue(actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job, "told": told, "meeting": scratch / "meeting"},
        torch_config=_Met(),
        scaling_config=train.ScalingConfig(
            num_workers=devices, use_gpu="GPU" in resources, resources_per_worker=resources
        ),
        run_config=train.RunConfig(name="training", storage_path=str(scratch / "train")),
    )
    fitting = _in_background(trainer)
    while (item := _next(told, fitting)) is not None:
        if isinstance(item, Exception):
            raise item
        yield item
    if (error := fitting.exception()) is not None:
        raise _explained(error, devices) from error


class _Nothing(Backend):  # type: ignore[misc]
    """The processes meet by themselves, in a file: Ray would open a port to all networks for it."""

    share_cuda_visible_devices = True


class _Met(TorchConfig):  # type: ignore[misc]
    @property
    def backend_cls(self) -> type[Backend]:
        return _Nothing


def _work(config: dict[str, Any]) -> None:
    """One of the processes. Runs on a worker of Ray; what a person can mend is told, all else is raised."""
    from senet_nas.distributed import joined
    from senet_nas.training.evaluate import evaluate

    job, told, place = config["job"], config["told"], train.get_context()
    device = str(get_device()) if job.task.device != "cpu" else "cpu"
    task = replace(job.task, device=device)
    with joined(place.get_world_rank(), place.get_world_size(), config["meeting"], device) as group:
        try:
            for report in evaluate(
                job.architecture, job.seed, task, weights=job.weights, checkpoint=job.checkpoint, start=job.start,
                group=group,
            ):  # fmt: skip
                if group.is_first:
                    told.put(report)
        except (UserError, Diverged, OSError) as error:
            told.put(error)
            raise


def _in_background(trainer: TorchTrainer) -> "Future[None]":
    """Runs it in a thread, where it takes no signals; the thread ends when Ray does."""
    future: Future[None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # handed on
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=fit, name="ray-train", daemon=True).start()
    return future


def _next(told: Queue, fitting: "Future[None]") -> Report | Exception | None:
    """The next thing that a process told; None when all have ended and nothing is left."""
    while True:
        is_over = fitting.done()  # before the look: what is told is told before the end
        try:
            return told.get(timeout=None if is_over else LOOK_SECONDS, block=not is_over)  # type: ignore[no-any-return]
        except Empty:
            if is_over:
                return None


def _explained(error: BaseException, devices: int) -> Exception:
    """What Ray Train raised, for people where it is not our mistake."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    causes = {rank: getattr(failure, "_base_exc", None) for rank, failure in failures.items()}
    ours = {rank: cause for rank, cause in causes.items() if cause is not None and not _LOST.search(str(cause))}
    if not failures or ours:
        return RuntimeError(str(error))
    gone = [str(rank) for rank, cause in causes.items() if cause is None] or ["?"]
    return UserError(
        f"of the {devices} processes of the training one ended without a word (number {', '.join(gone)}); most often the "
        "machine ran out of memory",
        hint="type the same command again to go on from the last checkpoint; a smaller train.batch_size needs less memory",
        code=ENVIRONMENT,
    )
