"""The folder of a full training: its record and its curve, and the check that it holds no other training."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from senet_nas.recipe import Recipe
from spaces import durable
from spaces.errors import UserError

RECORD = "training.json"
CURVE = "training.csv"
WEIGHTS = "weights.safetensors"
NETWORK = "network"
ELSEWHERE = "choose another with --to DIR"


def check_free(to: Path) -> None:
    """Raises UserError if a folder holds somebody's files. Nothing is written there before, not even a lock."""
    if to.exists() and not to.is_dir():
        raise UserError(f"{to} is a file; a training needs a folder", hint=ELSEWHERE)
    if not to.exists() or (to / RECORD).exists():
        return
    others = sorted(path.name for path in to.iterdir() if path.name != "lock")
    if others:
        raise UserError(f"{to} is not empty and holds no training ({others[0]})", hint=ELSEWHERE)


def opened(to: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the training in a folder, begun if there is none.

    Raises UserError if it is damaged, or of another training than the requested one.
    """
    record = read_record(to)
    if record is None:
        check_free(to)
        begun = {"request": dict(request)}
        note(to, begun)
        return begun
    lines = list(differences(as_now(record["request"]), request))
    if lines:
        is_longer = [line.split(":")[0].strip() for line in lines] == ["recipe.epochs"] and "trained" in record
        more = ", or add --extend to go on with the training that is there" if is_longer else ""
        raise UserError(
            "\n".join([f"{to} holds another training:", *lines]), hint=f"choose another folder with --to DIR{more}"
        )
    return record


def read_record(to: Path) -> dict[str, Any] | None:
    """The record of a folder; None if there is none. Raises UserError if it is damaged."""
    path = to / RECORD
    if not path.exists():
        return None
    record = durable.unseal(path.read_bytes())
    if record is None:
        raise UserError(f"{path} is damaged", hint="train into another folder with --to DIR")
    return record


def is_finished(to: Path) -> bool:
    """Whether a folder holds a training that was finished, of whatever. Nothing is written."""
    path = to / RECORD
    record = durable.unseal(path.read_bytes()) if path.exists() else None
    return record is not None and "trained" in record


def note(to: Path, record: Mapping[str, Any]) -> None:
    """Writes the record durably."""
    durable.write(to / RECORD, durable.seal(record))


def write_curve(to: Path, curve: Sequence[Mapping[str, float]]) -> None:
    """Writes one row for each epoch."""
    out = io.StringIO()
    columns = dict.fromkeys(name for epoch in curve for name in epoch)
    writer = csv.DictWriter(out, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(curve)
    durable.write(to / CURVE, out.getvalue())


def read_curve(to: Path) -> list[dict[str, float]]:
    """The epochs of the curve, each with its figures by name."""
    rows = csv.DictReader((to / CURVE).read_text().splitlines())
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def as_now(noted: Mapping[str, Any]) -> dict[str, Any]:
    """A request as this version notes it: settings that an earlier version did not have, at their default."""
    return {**noted, "recipe": {**asdict(Recipe()), **noted.get("recipe", {})}}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], section: str = "") -> Iterator[str]:
    """A line for each key of a request that changed."""
    for name, value in new.items():
        if isinstance(value, Mapping):
            yield from differences(old.get(name, {}), value, f"{name}.")
        elif old.get(name) != value:
            yield f"  {section}{name}: was {old.get(name)}, is {value}"
