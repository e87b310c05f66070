"""Benchmark problems, on which a search can be repeated: synthetic ones with a known truth, and tables of trainings.

A problem gives an accuracy for an architecture and a seed, always the same one, so that every sampler meets the same
luck. Gains are over plain, in points.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from search.bench import synthetic
from search.bench.real import Real
from search.bench.table_files import check_kind
from search.execute.result_table import Table
from search.execute.table_text import ENDINGS
from search.model.hyperparameters import HyperparameterGrid
from search.state.facts import Facts
from senet_nas.recipe import Seed
from spaces import Architecture, Space
from spaces.errors import UserError, nearest, nearest_file

SYNTHETIC = "synthetic"
PERMUTED = "permuted"
KINDS = (SYNTHETIC, PERMUTED)


class Problem(Protocol):
    """What a search over a table needs, and what it is judged by."""

    space: Space

    def price(self, architecture: Architecture) -> Mapping[str, float]: ...

    def accuracy(self, architecture: Architecture, seed: Seed) -> float: ...

    def losses(self, architecture: Architecture, seed: Seed) -> Sequence[float]:
        """The training loss of each epoch; empty if the problem has no curves."""
        ...

    @property
    def warmup(self) -> float:
        """The epochs of warm-up that its trainings had: before their end none can pause."""
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
    if kind == SYNTHETIC:
        return synthetic.named(rest).problem
    path = Path(rest if kind == PERMUTED else text)
    if not path.is_file():
        raise _missing(text, path)
    check_kind(path)
    table = Table(path)
    return lambda number: Real(table, number, permuted=kind == PERMUTED)


def _missing(text: str, path: Path) -> UserError:
    """The error for a table that is not there. Its file may be misspelt, or the kind of problem before the colon."""
    guess = _alike(text, path)
    allowed = f"write a file, or {SYNTHETIC}:SPACE:TAU[:TWIST[:CURVE]], SPACE being {', '.join(synthetic.SPACES)}"
    return UserError(f"no table {path}", hint=f"did you mean `{guess}`? Otherwise {allowed}" if guess else allowed)


def _alike(text: str, path: Path) -> str | None:
    kind, colon, rest = text.partition(":")
    if colon and kind not in KINDS:
        meant = nearest(kind, KINDS)
        return None if meant is None else f"{meant}:{rest}"
    file = nearest_file(path, ENDINGS)
    if file is None:
        return None
    return f"{kind}:{file}" if colon else str(file)
