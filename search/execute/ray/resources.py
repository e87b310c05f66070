"""The resources of trainings: slots of a machine or a cluster, and one job on several devices. Imports no ray."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from search.execute.ray import cluster
from search.execute.ray.cluster import Needs
from search.execute.remote_store import RemoteStore
from senet_nas.recipe import Seed, Task
from spaces.errors import ENVIRONMENT, UserError


@dataclass(frozen=True)
class Slots:
    """How many trainings run side by side, and what each may use.

    ``count`` is None for as many as a cluster holds, which may change. ``gpus`` may be a fraction. ``ray`` is the
    address of a cluster, or "local". ``insecure``: a cluster without a token is accepted.
    """

    count: int | None
    cpus: int
    gpus: float = 0.0
    ray: str = "local"
    insecure: bool = False

    @property
    def is_local(self) -> bool:
        return self.ray == "local"

    @property
    def on_one_gpu(self) -> int:
        """How many trainings share a GPU; 0 without one."""
        return sharing(self.gpus) if self.gpus else 0

    @property
    def gpus_used(self) -> int:
        """The number of GPUs of this machine on which trainings run: Ray fills one before it begins the next."""
        if self.gpus > 1:
            return (self.count or 0) * int(self.gpus)
        return math.ceil((self.count or 0) / self.on_one_gpu) if self.gpus else 0


@dataclass(frozen=True)
class Job:
    """One training on several devices: arguments of :func:`senet_nas.training.evaluate.evaluate`, paths absolute.

    ``folder`` is the folder of the command, in which its processes stand. ``until`` is the epoch after which it pauses.
    Once the file ``stop`` is there, it ends after the epoch under way. ``mark`` is a file of the checkpoint's folder
    and its content, if the processes may run on several nodes: all of them must see it.
    """

    architecture: str
    seed: Seed
    task: Task
    weights: Path | None
    checkpoint: Path | None
    start: Path | None
    begun: int = 0
    until: int | None = None
    stop: Path | None = None
    mark: tuple[Path, str] | None = None
    folder: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True)
class Cluster:
    """What a search needs of a cluster.

    ``say`` hears of nodes that do not fit. ``abandon`` is called, from a thread, if the cluster is gone and the main
    thread waits for it forever. ``left`` is set once Ray was left.
    """

    needs: Needs
    say: Callable[[str], None]
    abandon: Callable[[UserError], None]
    store: RemoteStore | None = None
    left: threading.Event = field(default_factory=threading.Event)


def sharing(share: float) -> int:
    """How many trainings with this share of a GPU fit onto one: three of 0.3, although 26 of them add up to 8 GPUs.

    One, also if a training takes several.
    """
    return max(1, math.floor(1 / share + 1e-6))


def fitting(share: float, gpus: int) -> int:
    """How many trainings with this share of a GPU, or with so many whole ones, fit onto ``gpus``."""
    return gpus // int(share) if share > 1 else gpus * sharing(share)


def share_of(trainings: int) -> float:
    """The share of a GPU with which Ray puts so many trainings on it and no more. Ray counts in ten-thousandths."""
    return math.floor(10_000 / trainings) / 10_000


def spread(count: int, gpus: int) -> float:
    """The share of a GPU with which Ray spreads ``count`` trainings over all GPUs: it fills one before the next."""
    return share_of(math.ceil(count / gpus))


def settled(slots: Slots, device: str) -> Slots:
    """The slots for the cluster that was joined: without a share of a GPU if no node has one.

    Raises UserError (code ENVIRONMENT) if the device must be a GPU.
    """
    if not slots.gpus or cluster.gpus():
        return slots
    if device == "cuda":
        raise UserError(
            "resources.device is cuda, but no node of the cluster has a GPU",
            hint="use `device: cpu`, or start its nodes with --num-gpus where Ray does not see them",
            key="resources.device",
            code=ENVIRONMENT,
        )
    return replace(slots, gpus=0.0)
