"""``senet-search list``: every name that a config may hold, read off the tables that define them."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from search.planning.samplers import SAMPLERS
from search.state import run_folder as folder
from senet_nas.costs.measures import MEASURES
from senet_nas.data.datasets import DATASETS
from senet_nas.network.backbones import table as backbones
from senet_nas.network.operators import GATES, SQUEEZES
from senet_nas.network.published import NETWORKS
from spaces.errors import unknown
from spaces.spec import EXCITATIONS, Position

TABLES: dict[str, Callable[[], list[str]]] = {
    "backbones": lambda: list(backbones.names()),
    "networks": lambda: list(NETWORKS),
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
    tables: dict[str, Callable[[], list[str]]] = {**TABLES, "runs": lambda: sorted(folder.names(runs))}
    if what is not None and what not in tables:
        raise unknown("list", what, tables)
    return {kind: list(names()) for kind, names in tables.items() if what in (None, kind)}


def lines(found: dict[str, list[str]]) -> list[str]:
    if list(found) == ["networks"]:
        return [
            "network                        params           MACs   top-1   top-5  where from",
            *map(_network, NETWORKS),
        ]
    if len(found) == 1:
        return next(iter(found.values()))
    return [f"{kind:<11} {', '.join(names) or '-'}" for kind, names in found.items()]


def _network(name: str) -> str:
    """Counts, and errors in percent, with where they are from and what of them is not in print."""
    row = NETWORKS[name]
    errors = "".join(f"{'-' if error is None else error:>8}" for error in (row.top1, row.top5))
    note = f" ({row.note})" if row.note else ""
    return f"{name:<25}{row.params:>12,}{row.macs:>15,}{errors}  {row.source}{note}; over {row.backbone}"
