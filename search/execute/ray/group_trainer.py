"""Trainings of a search that take several GPUs each: a slot starts a group of Ray Train for every training."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from search.execute.ray import train_group
from search.execute.ray.resources import Job, Slots
from senet_nas.recipe import Report, Seed, Task


@dataclass(frozen=True)
class GroupTrainer:
    """Calls like the evaluator of our own training; the network trains on ``devices`` GPUs of this machine.

    The slot itself holds the processor cores and no GPU; each process of the group holds one GPU. ``folder`` is that of
    the command.
    """

    task: Task
    devices: int
    scratch: Path
    folder: Path = field(default_factory=Path.cwd)

    @classmethod
    def of(cls, task: Task, slots: Slots, scratch: Path) -> "GroupTrainer":
        devices = int(slots.gpus)
        return cls(replace(task, threads=max(1, slots.cpus // devices)), devices, scratch)

    def prepare(self) -> None:
        """The slot loads nothing: the processes of the group do."""

    def __call__(
        self,
        architecture: str,
        seed: Seed,
        *,
        weights: Path | None = None,
        checkpoint: Path | None = None,
        until: int | None = None,
    ) -> Iterator[Report]:
        with tempfile.TemporaryDirectory(prefix="group-", dir=self.scratch, ignore_cleanup_errors=True) as place:
            job = Job(
                architecture,
                seed,
                self.task,
                weights,
                checkpoint,
                None,
                until=until,
                stop=Path(place, "stop"),
                folder=self.folder,
            )
            with closing(train_group.reports(job, self.devices, {"GPU": 1.0}, Path(place))) as reports:
                yield from reports
