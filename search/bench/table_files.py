"""Files that stand where the tables are and are none: each is refused with what it is, and what to do instead."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from search.bench.shared_columns import SUFFIX
from search.execute.table_description import read_about
from search.execute.table_text import ENDINGS
from spaces.errors import UserError

# Endings of the working file of an unfinished table: where it is made, and where it is kept.
_WORKING = (".jsonl", ".jsonl.gz")
_DESCRIPTION = ".json"


def check_kind(path: Path) -> None:
    """Raises UserError for a working file, for the description of a table, and for figures of shared networks."""
    if _is_working_file(path):
        name = path.name.partition(".jsonl")[0]
        raise UserError(
            f"{path} is the working file of an unfinished table, which bench cannot read",
            hint=f"`python -m benchmarks.make_table {name} --data DIR --to WORK` trains what is missing; with --finish "
            f"it then writes {name}.csv.gz, which bench reads",
        )
    described = path.with_name(path.name.removesuffix(_DESCRIPTION))
    if described != path and described.name.endswith(ENDINGS) and described.is_file():
        raise UserError(f"{path} is the description of a table, not the table", hint=f"give bench {described}")
    if path.name.endswith(SUFFIX) and "cost_in_trainings" in read_about(path):
        raise UserError(f"{path} holds figures of shared networks, not trainings", hint=_table_of_figures(path))


def _is_working_file(path: Path) -> bool:
    """Whether the name and the first line are those of a working file."""
    if not path.name.endswith(_WORKING):
        return False
    training = _first_line(path)
    return isinstance(training, dict) and {"architecture", "seed", "curve"} <= training.keys()


def _first_line(path: Path) -> Any:
    """The JSON of the first line of a file; None if it is none."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return json.loads(file.readline())
    except (OSError, EOFError, zlib.error, ValueError):
        return None


def _table_of_figures(path: Path) -> str:
    name = path.name.removesuffix(SUFFIX)
    tables = [file for ending in ENDINGS if (file := path.with_name(name + ending)).is_file()]
    if not tables:
        return f"bench needs the table {name}.csv.gz"
    return f"give bench {tables[0]}, and name a sampler with +shared"
