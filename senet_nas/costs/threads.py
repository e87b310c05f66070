"""How many CPU threads a training should use: measured, because small networks get slower with more of them."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, takewhile

from senet_nas.costs import runtimes as latency
from senet_nas.data.load import Data
from senet_nas.network.build import build
from senet_nas.recipe import Seed, Task
from senet_nas.training.train import Training

# A few batches each, three times; the first pays for start-up.
BATCHES, REPEATS = 4, 3
# More threads must be so much faster: a core that idles may serve another training.
WORTH = 0.95


def fastest(architecture: str, data: Data, task: Task, *, clock: Callable[[], float] = time.perf_counter) -> int:
    """Of 1, 2, 4, ... up to ``task.threads`` the number by which ``architecture`` trains fastest; about two seconds."""
    few = data.share(min(1.0, BATCHES * task.recipe.batch_size / len(data.y_train)))
    best, least = 1, float("inf")
    for n in candidates(task.threads):
        with latency.threads(n):
            seconds = _seconds(architecture, few, task, clock)
        if seconds < WORTH * least:
            best, least = n, seconds
    return best


def candidates(most: int) -> list[int]:
    """Powers of two below ``most``, and ``most`` itself."""
    return [*takewhile(lambda n: n < most, (2**k for k in range(16))), most]


def _seconds(architecture: str, data: Data, task: Task, clock: Callable[[], float]) -> float:
    """The shortest of some short epochs."""
    model = build(architecture, in_channels=data.channels, num_classes=data.num_classes)
    training = Training(model, data, replace(task.recipe, epochs=REPEATS), seed=Seed(0), device=task.device)
    marks = [clock()]
    for _ in range(REPEATS):
        training.epoch()
        marks.append(clock())
    return min(after - before for before, after in pairwise(marks))
