"""The number of CPU threads for a training: measured, because more threads make small networks slower."""

import time
from collections.abc import Callable
from itertools import pairwise, takewhile

from senet_nas.costs import runtimes
from senet_nas.costs.epoch_time import harmless
from senet_nas.data.load import Data
from senet_nas.recipe import Seed, Task
from senet_nas.training.evaluate import starting_network
from senet_nas.training.train import Training

# Length of a short epoch in batches, and how many of them are timed; the first one pays for start-up.
BATCHES = 4
REPEATS = 3
# More threads must take less than this share of the time, because an idle core may serve another training.
WORTH = 0.95


def fastest(architecture: str, data: Data, task: Task, *, clock: Callable[[], float] = time.perf_counter) -> int:
    """The number of threads (1, 2, 4, ..., ``task.threads``) that trains ``architecture`` fastest; takes about 2 s."""
    few = data.share(min(1.0, BATCHES * task.recipe.batch_size / len(data.y_train)))
    best = 1
    least = float("inf")
    for n in candidates(task.threads):
        with runtimes.threads(n):
            seconds = _seconds(architecture, few, task, clock)
        if seconds < WORTH * least:
            best = n
            least = seconds
    return best


def candidates(most: int) -> list[int]:
    """The powers of two below ``most``, and ``most`` itself."""
    return [*takewhile(lambda n: n < most, (2**k for k in range(16))), most]


def _seconds(architecture: str, data: Data, task: Task, clock: Callable[[], float]) -> float:
    """Seconds of the fastest of some short epochs."""
    model = starting_network(architecture, data, task)
    training = Training(model, data, harmless(task.recipe, REPEATS), seed=Seed(0), device=task.device)
    marks = [clock()]
    for _ in range(REPEATS):
        training.epoch()
        marks.append(clock())
    return min(after - before for before, after in pairwise(marks))
