"""Times an architecture beside plain, in this process or in one of its own, which leaves no context on a GPU behind."""

import functools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from senet_nas import user_code
from senet_nas.costs import runtimes, timing
from senet_nas.costs.timing import Comparison, Make
from senet_nas.network.build import build
from senet_nas.quantised import Refused
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


def compared(pair: Pair) -> Comparison | str:
    """The times of both networks, or why the runtime refuses one. Raises UserError if nothing can be timed here."""
    user_code.look_in(pair.base)

    with runtimes.threads(pair.spec.threads):
        try:
            made = [_maker(pair, key) for key in (pair.plain, pair.candidate)]
            return timing.compare(*made, seconds=pair.seconds, watch=runtimes.stopwatch(pair.spec))
        except Refused as refused:
            return str(refused)


def warmed_up(spec: LatencySpec) -> None:
    """Imports what a runtime needs, which takes seconds once: after it, only networks take time."""
    tiny = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(4, 2))
    runtimes.maker(lambda: tiny, (1, 2, 2), spec)()


@functools.lru_cache(maxsize=2)
def _kept(key: str, shape: tuple[int, ...], classes: int, spec: LatencySpec) -> Make:
    """The maker of plain: it stands beside every candidate, so its files are written once."""
    return runtimes.maker(lambda: build(key, in_channels=shape[0], num_classes=classes), shape, spec)


def _maker(pair: Pair, key: str) -> Make:
    made = _kept if key == pair.plain else _kept.__wrapped__
    return made(key, pair.shape, pair.classes, pair.spec)


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
