"""What the placements of a table showed in a shared network: the columns beside a table of SE-Placement-Bench."""

import csv
import json
import math
from pathlib import Path

from search.state.facts import Facts
from search.state.shared_facts import SharedFigures, SharedNetworkFact
from spaces.errors import UserError
from spaces.text import plural

SUFFIX = ".shared.csv"
_KEYS = ("architecture", "seed")


def columns_path(table: Path) -> Path:
    """The file of the columns of a table: ``NAME.shared.csv`` beside ``NAME.csv.gz``."""
    return table.with_name(table.name.removesuffix(".gz").removesuffix(".csv") + SUFFIX)


def shared_columns(table: Path, number: int) -> SharedFigures:
    """The figures of one of the shared networks of a table: ``number`` modulo how many there are.

    So another search uses another network, as another run would train another. Raises UserError without the file.
    """
    path = columns_path(table)
    if not path.exists():
        raise UserError(
            f"{path} is missing: no shared network was trained for this table",
            hint=f"python -m benchmarks.shared_network {path.name.removesuffix(SUFFIX)} --data DIR",
        )
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        columns = tuple(name for name in reader.fieldnames or () if name not in _KEYS)
        by_seed: dict[str, dict[str, tuple[float | None, ...]]] = {}
        for row in reader:
            figures = tuple(_number(row[name]) for name in columns)
            by_seed.setdefault(row["seed"], {})[row["architecture"]] = figures
    if not by_seed or not columns:
        raise UserError(f"{path} holds {plural(len(by_seed), 'shared network')}, with {plural(len(columns), 'column')}")
    seeds = sorted(by_seed, key=int)
    return SharedFigures(columns, by_seed[seeds[number % len(seeds)]])


def shared_facts(table: Path, number: int) -> Facts:
    """What a run over this table notes of its shared network: what it costs of the budget, and its figures.

    Raises UserError without the files.
    """
    figures = shared_columns(table, number)
    path = columns_path(table)
    about = json.loads(path.with_name(path.name + ".json").read_text())
    fact = SharedNetworkFact(about["epochs"], len(figures.values), about["cost_in_trainings"], state="finished")
    return Facts(shared_network=fact, shared_figures=figures)


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
