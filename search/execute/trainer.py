"""The evaluator of our own training: real networks on real images or signals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.execute.evaluator import Evaluator
from search.state.listening import Listener
from senet_nas.recipe import Report, Seed, Task
from senet_nas.training.shared_plan import SHARED_NETWORK, SharedPlan


@dataclass(frozen=True)
class Trainer(Evaluator):
    """Trains the network of an architecture by a task, or the network of the plan ``shared``."""

    task: Task
    shared_plan: SharedPlan | None = None

    trains_networks = True

    def __call__(
        self,
        architecture: str,
        seed: Seed,
        *,
        weights: Path | None = None,
        checkpoint: Path | None = None,
        until: int | None = None,
    ) -> Iterator[Report]:
        from senet_nas.training.evaluate import evaluate

        if architecture == SHARED_NETWORK:
            return self._train_shared(seed, checkpoint)
        return evaluate(architecture, seed, self.task, weights=weights, checkpoint=checkpoint, until=until)

    @property
    def can_pause(self) -> bool:
        return True

    def prepare(self) -> None:
        from senet_nas.training.evaluate import prepare

        prepare(self.task)

    def needed_paths(self, base: Path) -> list[Path]:
        """The data, unless they come with a package."""
        path = self.task.data.path
        return [base / path] if path else []

    def shared(self, scratch: Path) -> "Trainer":
        """The same with the images in a file, which the workers map instead of reading them again."""
        from senet_nas.training.evaluate import share

        return replace(self, task=share(self.task, scratch))

    def on_cluster(self, device: str, key: str) -> "Trainer":
        """The same for nodes of a cluster: the first worker of a node reads the images for all workers with the key."""
        return replace(self, task=replace(self.task, device=device, node=key))

    def fastest_threads(self, architecture: str) -> int:
        """The fastest number of its threads, by a measurement of about two seconds."""
        from senet_nas.costs import threads
        from senet_nas.training.evaluate import prepare

        return threads.fastest(architecture, prepare(self.task), self.task)

    def with_slots(self, cpus: int, gpus: float) -> "Trainer":
        return replace(self, task=replace(self.task, threads=cpus, gpu_share=min(1.0, gpus or 1.0)))

    def with_threads(self, threads: int) -> "Trainer":
        return replace(self, task=replace(self.task, threads=threads))

    def with_shared(self, plan: SharedPlan) -> "Trainer":
        return replace(self, shared_plan=plan)

    def listeners(self, say: Callable[[str], None]) -> Sequence[Listener]:
        """No check: our own training reports percent."""
        return ()

    def test_accuracy(self, architecture: str, weights: Path) -> Mapping[str, Any]:
        from senet_nas.training.evaluate import test_accuracy

        return test_accuracy(architecture, weights, self.task)

    @property
    def training_task(self) -> Task:
        return self.task

    def _train_shared(self, seed: Seed, checkpoint: Path | None) -> Iterator[Report]:
        from senet_nas.training.shared_training import train_shared

        assert self.shared_plan is not None
        return train_shared(self.shared_plan, seed, self.task, checkpoint=checkpoint)
