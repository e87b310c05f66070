"""``senet-search compare``: the fronts of several searches on one picture and in one table."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.report import picture
from search.results import compute as front
from search.results.result import Front
from search.setup.experiment_setup import kept, rules
from search.state import run_folder as folder
from search.state.ledger import Ledger
from senet_nas.costs.measures import USUAL
from spaces.errors import UserError


@dataclass(frozen=True)
class Side:
    """One search: its front, and what must be the same for two fronts to be compared."""

    front: Front
    conditions: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The fronts of several searches, in the order asked for. ``cautions``: why some of their numbers cannot be compared."""

    sides: tuple[Side, ...]
    cautions: tuple[str, ...]
    picture: Path

    def to_dict(self) -> dict[str, Any]:
        return {
            "picture": str(self.picture), "cautions": list(self.cautions),
            "runs": [{"run": side.front.run, **side.conditions, **_summary(side.front)} for side in self.sides],
        }  # fmt: skip

    def lines(self) -> list[str]:
        head = f"{'run':<20} {'backbone':<20} {'plain':>7}  {'take home':<44} {'gain':>22}  {USUAL.title:>10}"
        return [
            head,
            *(_line(side) for side in self.sides),
            *(f"caution: {caution}" for caution in self.cautions),
            f"Wrote {self.picture}",
        ]


def compare(names: Sequence[str], runs: Path, to: Path) -> Comparison:
    """Reads the runs and draws their fronts. Raises UserError: fewer than two, one unknown, or without a result."""
    if len(set(names)) < 2:
        twice = f"; {names[0]} is named twice" if len(names) > 1 else ""
        raise UserError(f"a comparison needs two different runs or more{twice}", hint="senet-search compare RUN OTHER")
    sides = tuple(_side(name, runs) for name in dict.fromkeys(names))
    folder.write(to, picture.fronts_png([side.front for side in sides]), option="--to")
    return Comparison(sides, _cautions(sides), to)


def _side(name: str, runs: Path) -> Side:
    place = folder.find(name, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        experiment = kept(place, ledger)
        try:
            found = front.compute(place.name, ledger, rules(experiment))
        except UserError as error:
            raise UserError(f"{name}: {error.message}", hint=error.hint, code=error.code) from error
        data = ledger.fact("data") or {}
    conditions = {
        "backbone": experiment.model.network, "dataset": experiment.data.dataset,
        "data_fingerprint": data.get("fingerprint", ""), "epochs": experiment.train.epochs,
    }  # fmt: skip
    return Side(found, conditions)


def _cautions(sides: Sequence[Side]) -> tuple[str, ...]:
    """Gains are each over the plain network of the same run; accuracies need the same images as well."""
    said = {
        "data_fingerprint": "the runs do not share their images: compare gains, not accuracies",
        "epochs": "the runs train for different numbers of epochs",
    }
    return tuple(text for name, text in said.items() if len({side.conditions[name] for side in sides}) > 1)


def _summary(found: Front) -> dict[str, Any]:
    best = found[found.recommended]
    return {
        "verdict": found.verdict, "recommended": best.id, "words": best.words, "plain_accuracy": found.plain.val_accuracy,
        "gain": best.gain, "gain_low": best.gain_low, "gain_high": best.gain_high, USUAL.overhead: best.costs[USUAL.overhead],
        "likely": found.likely, "front": [point.id for point in found.members],
    }  # fmt: skip


def _line(side: Side) -> str:
    found, best = side.front, side.front[side.front.recommended]
    gain = "-" if best.is_plain else f"{best.gain:+.2f} [{best.gain_low:+.2f}, {best.gain_high:+.2f}]"
    likely = f" (likely: {found[found.likely].words})" if found.likely else ""
    name = f"{best.id} {best.words}{likely}"
    return (
        f"{found.run:<20} {side.conditions['backbone']:<20} {found.plain.val_accuracy:>7.2f}  {name:<44} {gain:>22}  "
        f"{best.costs[USUAL.overhead]:>+8.2f} %"
    )
