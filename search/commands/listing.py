"""``senet-search list``: every name that a config may hold, read off the tables that define them."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from search import folder
from search.propose.samplers import SAMPLERS
from senet_nas import backbones
from senet_nas.datasets import DATASETS
from senet_nas.operators import GATES, SQUEEZES
from senet_nas.overhead import MEASURES
from spaces.architecture import EXCITATIONS
from spaces.errors import unknown
from spaces.space import Position

TABLES: dict[str, Callable[[], list[str]]] = {
    "backbones": lambda: list(backbones.names()),
    "datasets": lambda: list(DATASETS),
    "squeezes": lambda: list(SQUEEZES),
    "excitations": lambda: list(EXCITATIONS),
    "gates": lambda: list(GATES),
    "positions": lambda: list(get_args(Position)),
    "samplers": lambda: list(SAMPLERS),
    "measures": lambda: list(MEASURES),
}


def listing(what: str | None, runs: Path) -> dict[str, list[str]]:
    """Names by kind; all kinds unless one is asked for. Raises UserError."""
    tables: dict[str, Callable[[], list[str]]] = {**TABLES, "runs": lambda: folder.names(runs)}
    if what is not None and what not in tables:
        raise unknown("list", what, tables)
    return {kind: list(names()) for kind, names in tables.items() if what in (None, kind)}


def lines(found: dict[str, list[str]]) -> list[str]:
    if len(found) == 1:
        return next(iter(found.values()))
    return [f"{kind:<11} {', '.join(names) or '-'}" for kind, names in found.items()]
