"""Where results come from: our own training, a table of results, or a function of the user's.

An evaluator is a small picklable record that crosses to each worker once. What a run needs of it stands here as methods
whose defaults hold for results that are not of our own training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from search.execute.percent_check import PercentCheck
from search.planning.priced_space import Seeds
from search.state.listening import Listener
from senet_nas.recipe import Report, Seed, Task
from senet_nas.training.quality_metrics import ACCURACY, metric_of
from senet_nas.training.shared_plan import SharedPlan
from spaces.architecture import Architecture
from spaces.errors import UserError
from spaces.spec import Site


class Evaluation(Protocol):
    """What a worker calls: one training, as reports after its epochs."""

    def __call__(
        self,
        architecture: str,
        seed: Seed,
        *,
        weights: Path | None = None,
        checkpoint: Path | None = None,
        until: int | None = None,
    ) -> Iterator[Report]:
        """Yields a report after each epoch, the last one with ``done``. Accuracy is in percent, as all shares are.

        ``weights`` is the file to write the weights to, if they are wanted. ``checkpoint`` is the folder from which an
        interrupted training continues; it does not report its earlier epochs again. ``until`` is the epoch after which
        it pauses: nothing follows the report of this epoch, and ``checkpoint`` holds what it needs to continue. An
        evaluation that cannot pause is never asked to, and need not take ``until``.
        """
        ...


class Evaluator:
    """A source of results, and what a run must know about it."""

    # Whether its trainings are ours and train a network on this machine or a cluster.
    trains_networks = False
    # What the results are judged by, by name.
    metrics: tuple[str, ...] = (ACCURACY.name,)

    def __call__(
        self,
        architecture: str,
        seed: Seed,
        *,
        weights: Path | None = None,
        checkpoint: Path | None = None,
        until: int | None = None,
    ) -> Iterator[Report]:
        """See :class:`Evaluation`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Loads what all trainings of a process share."""

    def check(self) -> None:
        """Raises UserError if a search over it could not work."""

    def check_space(self, backbone: str, n_sites: int) -> None:
        """Raises UserError if it holds no results of this network."""

    @property
    def builds_networks(self) -> bool:
        """Whether a training gets the network that we build, and so leaves weights that can be exported."""
        return self.trains_networks

    @property
    def can_pause(self) -> bool:
        """Whether its trainings can pause after an epoch and continue later."""
        return False

    @property
    def sites(self) -> tuple[Site, ...] | None:
        """The sites of the backbone, if the source describes them."""
        return None

    @property
    def known_seeds(self) -> Seeds | None:
        """The seeds that the source holds for an architecture; None if any seed can be trained."""
        return None

    @property
    def named_function(self) -> tuple[str, Callable[..., Any]] | None:
        """The user's function with its name, if it gives the results. Raises UserError if it cannot be imported."""
        return None

    def listed_price(self, architecture: Architecture) -> Mapping[str, float]:
        """Costs and overheads of an architecture from a source that describes the sites."""
        raise NotImplementedError

    def needed_paths(self, base: Path) -> list[Path]:
        """What every node of a cluster must see; ``base`` is the folder of the config."""
        return [base]

    def with_inputs(self, shape: tuple[int, ...], num_classes: int) -> "Evaluator":
        """The same for networks with inputs (C, ...) and so many classes, which are known once the data are read."""
        return self

    def shared(self, scratch: Path) -> "Evaluator":
        """The same for workers of this machine, which share data in the folder ``scratch``."""
        return self

    def on_cluster(self, device: str, key: str) -> "Evaluator":
        """The same for the nodes of a cluster and their device; ``key`` is the same on all of them."""
        return self

    def fastest_threads(self, architecture: str) -> int | None:
        """The number of threads with which a training is fastest, measured now; None if it has no choice of them."""
        return None

    def with_slots(self, cpus: int, gpus: float) -> "Evaluator":
        """The same for slots with so many CPU cores, and this share of a GPU."""
        return self

    def with_threads(self, threads: int) -> "Evaluator":
        """The same with a number of threads for each training."""
        return self

    def with_shared(self, plan: SharedPlan) -> "Evaluator":
        """The same, which also trains a shared network if it ``trains_networks``: it is asked for SHARED_NETWORK."""
        raise NotImplementedError

    def listeners(self, say: Callable[[str], None]) -> Sequence[Listener]:
        """Listeners of the loop that check its results; they ``say`` what looks wrong."""
        return [PercentCheck(say, metric_of(self.metrics[0]))]

    def test_accuracy(self, architecture: str, weights: Path) -> Mapping[str, Any]:
        """Test accuracy in percent and further metrics of a network with its weights, if it ``trains_networks``."""
        raise NotImplementedError

    @property
    def training_task(self) -> Task:
        """What one training of our own needs. Raises UserError if results come from elsewhere."""
        raise UserError("only our own training trains a network", hint="leave `evaluate` out", key="evaluate")
