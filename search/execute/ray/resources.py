"""What trainings are given: slots of a machine or of a cluster, and one job on several devices. Imports no ray."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from search.execute.ray.cluster import Needs
from search.execute.remote_store import Store
from senet_nas.recipe import Seed, Task
from spaces.errors import UserError


@dataclass(frozen=True)
class Slots:
    """How many trainings run side by side, and what each may use."""

    count: int | None  # None: as many as a cluster holds, which may change
    cpus: int
    gpus: float = 0.0
    ray: str = "local"
    insecure: bool = False

    @property
    def is_local(self) -> bool:
        return self.ray == "local"


@dataclass(frozen=True)
class Job:
    """One training on several devices: the arguments of :func:`senet_nas.training.evaluate.evaluate`, all paths absolute."""

    architecture: str
    seed: Seed
    task: Task
    weights: Path
    checkpoint: Path
    start: Path | None


@dataclass(frozen=True)
class Cluster:
    """What a search on a cluster needs of it. ``say`` hears of nodes that do not fit; ``abandon`` is called, from a thread
    of ours, where the cluster is gone and the main thread waits for it for ever.
    """

    needs: Needs
    say: Callable[[str], None]
    abandon: Callable[[UserError], None]
    store: Store | None = None
    left: threading.Event = field(default_factory=threading.Event)
