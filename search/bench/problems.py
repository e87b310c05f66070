"""Benchmark problems, on which a search can be repeated: synthetic ones with a known truth, and tables of trainings.

A problem gives an accuracy for an architecture and a seed, always the same one, so that every sampler meets the same
luck. Gains are over plain, in points.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from search.bench import synthetic
from search.bench.real import Real
from search.execute.result_table import Table
from search.model.hyperparameters import HyperparameterGrid
from search.state.facts import Facts
from senet_nas.recipe import Seed
from spaces import Architecture, Space
from spaces.errors import UserError


class Problem(Protocol):
    """What a search over a table needs, and what it is judged by."""

    space: Space

    def price(self, architecture: Architecture) -> Mapping[str, float]: ...

    def accuracy(self, architecture: Architecture, seed: Seed) -> float: ...

    def losses(self, architecture: Architecture, seed: Seed) -> Sequence[float]:
        """The training loss of each epoch; empty if the problem has no curves."""
        ...

    def shared_network(self) -> Facts:
        """What a run notes of a shared network that was trained for this problem. Raises UserError without one."""
        ...

    def truth(self, architecture: Architecture) -> float:
        """The gain over plain that the search is judged by."""
        ...

    def doubt(self, architecture: Architecture) -> float:
        """The standard deviation of that truth, in points; 0 if the truth is exact."""
        ...

    def block_gains(self, architecture: Architecture) -> Mapping[int, float]:
        """That gain in each block, in points: nan where the search can draw it, empty where the truth has no blocks."""
        ...

    @property
    def seeds(self) -> Callable[[Architecture], Sequence[Seed]] | None:
        """The seeds that a search may draw; None where any may be."""
        ...

    @property
    def known(self) -> HyperparameterGrid | None:
        """The hyperparameters that the problem was made with, as a grid of one point; None if they are unknown."""
        ...


def named(text: str) -> Callable[[int], Problem]:
    """How to make the problems of a name: ``FILE.csv.gz``, ``permuted:FILE.csv.gz``, or a synthetic one.

    Those are ``synthetic:SPACE:TAU[:TWIST[:CURVE]]``, with an empty TWIST for none.

    Raises UserError.
    """
    kind, _, rest = text.partition(":")
    if kind == "synthetic":
        return synthetic.named(rest).problem
    path = Path(rest if kind == "permuted" else text)
    if not path.is_file():
        raise UserError(
            f"no table {path}",
            hint=f"write a file, or synthetic:SPACE:TAU[:TWIST[:CURVE]], SPACE being {', '.join(synthetic.SPACES)}",
        )
    table = Table(path)
    return lambda number: Real(table, number, permuted=kind == "permuted")
