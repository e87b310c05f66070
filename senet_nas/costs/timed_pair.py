"""Times an architecture beside plain, in this process or in one of its own, which leaves no context on a GPU behind."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from senet_nas import user_code
from senet_nas.costs import runtimes, timing
from senet_nas.costs.timing import Call, Comparison
from senet_nas.network.build import build
from senet_nas.recipe import LatencySpec

# Calls a function with its argument, in one process or another.
Ask = Callable[[Callable[..., Any], object], Any]


@dataclass(frozen=True)
class Pair:
    """What is timed: an architecture and plain, both as text, on samples of ``shape`` (C, *spatial).

    ``base``: the folder in which modules of the user are looked for.
    """

    plain: str
    candidate: str
    shape: tuple[int, ...]
    classes: int
    spec: LatencySpec
    seconds: float
    base: str = "."


def compared(pair: Pair) -> Comparison:
    """The times of both networks. Raises UserError where one cannot be built or timed here."""
    user_code.look_in(pair.base)

    def make(key: str) -> Call:
        network = build(key, in_channels=pair.shape[0], num_classes=pair.classes)
        return runtimes.forward(network, pair.shape, pair.spec)

    with runtimes.threads(pair.spec.threads):
        return timing.compare(lambda: make(pair.plain), lambda: make(pair.candidate), seconds=pair.seconds)


@contextmanager
def process_for(spec: LatencySpec) -> Iterator[Ask]:
    """What calls functions of this file where a spec is timed: here for a CPU; for a GPU in a process that then ends.

    A context of CUDA takes some hundred megabytes of the GPU for as long as its process lives, and a search lives long.
    """
    if runtimes.device_of(spec).type != "cuda":
        yield lambda function, argument: function(argument)
        return
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, argument: pool.submit(function, argument).result()
