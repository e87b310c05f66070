"""One training on several devices: Ray Train starts a process for each, and notices if one is lost.

Ray Train holds none of our state, retries nothing and writes no checkpoints: the folder of the training does that.
"""

import re
import socket
import threading
from collections.abc import Generator
from concurrent.futures import Future, wait
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import train
from ray.train.backend import Backend
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.util.queue import Empty, Queue

from search.execute.ray import worker_paths
from search.execute.ray.resources import Job
from senet_nas import gpus
from senet_nas.recipe import Diverged, Report
from spaces.errors import ENVIRONMENT, UserError

LOOK_SECONDS = 0.5
# A group that was stopped ends after its epoch. After so many seconds the next one waits for its devices in its place.
STOP_SECONDS = 600.0
# Messages of the other processes when one is gone.
_LOST = re.compile(r"gloo|nccl|peer|connection", re.IGNORECASE)


def reports(job: Job, devices: int, resources: dict[str, float], scratch: Path) -> Generator[Report]:
    """The reports of the first process, one after each epoch. ``resources`` are those of each process.

    Raises UserError and Diverged as the training does; UserError (code ENVIRONMENT) if a process is lost.
    """
    told = Queue(actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job, "told": told, "meeting": scratch / "meeting"},
        torch_config=_Met() if job.mark is None else TorchConfig(backend="nccl" if "GPU" in resources else "gloo"),
        scaling_config=train.ScalingConfig(
            num_workers=devices, use_gpu="GPU" in resources, resources_per_worker=resources
        ),
        run_config=train.RunConfig(name="training", storage_path=str(_storage(job, scratch))),
    )
    fitting = _in_background(trainer)
    try:
        while (item := _next(told, fitting)) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        if job.stop is not None:  # whoever reads no further report wants no further epoch
            job.stop.touch()
            wait([fitting], timeout=STOP_SECONDS)
    if (error := fitting.exception()) is not None:
        raise _explained(error, devices) from error


def _storage(job: Job, scratch: Path) -> Path:
    """The folder of Ray Train, which writes nothing that we need; every node must see it."""
    return scratch / "train" if job.mark is None or job.checkpoint is None else job.checkpoint / "ray"


class _Nothing(Backend):  # type: ignore[misc]
    """A backend that does nothing: the processes meet in a file. Ray would open a port to all networks for that."""

    share_cuda_visible_devices = True


class _Met(TorchConfig):  # type: ignore[misc]
    @property
    def backend_cls(self) -> type[Backend]:
        return _Nothing


def _work(config: dict[str, Any]) -> None:
    """One of the processes, on a worker of Ray. An error that a person can mend is also sent to the command."""
    from senet_nas.distributed import Group, joined
    from senet_nas.training.evaluate import evaluate

    job: Job = config["job"]
    worker_paths.enter(job.folder)
    told: Queue = config["told"]
    place = train.get_context()
    device = str(get_device()) if job.task.device != "cpu" else "cpu"
    task = replace(job.task, device=device)
    ranks = place.get_world_rank(), place.get_world_size()
    # On several nodes Ray Train has connected the processes, over the network of the cluster.
    meeting = joined(*ranks, config["meeting"], device) if job.mark is None else nullcontext(Group(*ranks))
    with meeting as group:
        try:
            _check_folder(job)
            for report in evaluate(
                job.architecture,
                job.seed,
                task,
                weights=job.weights,
                checkpoint=job.checkpoint,
                start=job.start,
                begun=job.begun,
                until=job.until,
                group=group,
            ):
                if group.is_first:
                    told.put(report)
                if job.stop is not None and group.from_first(job.stop.exists()):
                    return
        except Exception as error:
            for_people = _for_people(error, job.task.recipe.batch_size, place.get_world_size())
            if for_people is not None:
                told.put(for_people)
            raise


def _check_folder(job: Job) -> None:
    """Raises UserError (ENVIRONMENT) if this node does not see the folder of the training."""
    if job.mark is None:
        return
    path, content = job.mark
    try:
        is_seen = path.read_text() == content
    except OSError:
        is_seen = False
    if not is_seen:
        raise UserError(
            f"node {socket.gethostname()} does not see {path.parent}",
            hint="give --to a folder on a disk that all nodes share",
            code=ENVIRONMENT,
        )


def _for_people(error: Exception, batch: int, devices: int) -> Exception | None:
    """What the command can say about an error of a process; None if only its traceback can."""
    if isinstance(error, UserError | Diverged | OSError):
        return error
    if gpus.failure(error) != "memory":
        return None
    return UserError(
        f"a GPU has too little memory for its part of a batch: {batch // devices} of {batch} images",
        hint=f"add --set train.batch_size={max(devices, batch // 2 // devices * devices)}, or use more devices",
        key="train.batch_size",
        code=ENVIRONMENT,
    )


def _in_background(trainer: TorchTrainer) -> "Future[None]":
    """Runs the training in a thread, where Ray Train handles no signals. The thread ends when Ray does."""
    future: Future[None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # passed on by the future
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=fit, name="ray-train", daemon=True).start()
    return future


def _next(told: Queue, fitting: "Future[None]") -> Report | Exception | None:
    """The next report or error that a process sent; None once all have ended and nothing is left."""
    while True:
        is_over = fitting.done()  # asked first: whatever is sent is sent before the end
        try:
            return told.get(timeout=None if is_over else LOOK_SECONDS, block=not is_over)  # type: ignore[no-any-return]
        except Empty:
            if is_over:
                return None


def _explained(error: BaseException, devices: int) -> Exception:
    """The error that Ray Train raised; for people, if a process was lost."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    # Ray Train has no public name for the exception of a worker. If this one changes, every failure looks like a lost
    # process; tests/search/execute/ray/test_train_group.py notices.
    causes = {rank: getattr(failure, "_base_exc", None) for rank, failure in failures.items()}
    ours = {rank: cause for rank, cause in causes.items() if cause is not None and not _LOST.search(str(cause))}
    if not failures or ours:
        return RuntimeError(str(error))
    gone = [str(rank) for rank, cause in causes.items() if cause is None] or ["?"]
    return UserError(
        f"one of the {devices} processes of the training ended without a word (number {', '.join(gone)}); "
        "most often the machine ran out of memory",
        hint="type the same command again to continue from the last checkpoint; "
        "a smaller train.batch_size needs less memory",
        code=ENVIRONMENT,
    )
