"""``senet-search compare``: the fronts of several searches on one picture and in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.report.picture import fronts_png
from search.report.tables import gain_text
from search.report.wording import percent
from search.results.result import Front
from search.setup.opened_run import open_run
from search.state import run_folder
from senet_nas.costs.measures import USUAL
from spaces.errors import UserError


@dataclass(frozen=True)
class ComparedRun:
    """One search: its front, and the conditions that must agree for its numbers to be compared with another's."""

    front: Front
    conditions: Mapping[str, Any]


@dataclass(frozen=True)
class FrontComparison:
    """The fronts of several searches, in the order asked for. ``cautions``: why some numbers cannot be compared.

    ``picture`` is None if it may not be written there.
    """

    runs: tuple[ComparedRun, ...]
    cautions: tuple[str, ...]
    picture: Path | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "picture": str(self.picture) if self.picture else None,
            "cautions": list(self.cautions),
            "runs": [{"run": run.front.run, **run.conditions, **_summary(run.front)} for run in self.runs],
        }

    def lines(self) -> list[str]:
        head = f"{'run':<20}  {'gain':>20}  {USUAL.title:>10}  {'plain':>7}  take home"
        return [
            head,
            *(_line(run) for run in self.runs),
            *(f"caution: {caution}" for caution in self.cautions),
            *([f"Wrote {self.picture}"] if self.picture else []),
        ]


def compare_runs(names: Sequence[str], runs: Path, to: Path) -> FrontComparison:
    """Reads the runs and draws their fronts.

    Raises UserError for fewer than two runs, an unknown run or one without a result, and a picture that cannot be
    written.
    """
    if len(set(names)) < 2:
        twice = f"; {names[0]} is named twice" if len(names) > 1 else ""
        raise UserError(f"a comparison needs two different runs or more{twice}", hint="senet-search compare RUN OTHER")
    compared = tuple(_compared(name, runs) for name in dict.fromkeys(names))
    _check_metrics(compared)
    try:
        run_folder.write(to, fronts_png([run.front for run in compared]), option="--to")
    except UserError as error:
        if not run_folder.is_only_read(error):
            raise
        unwritten = f"{error.message}; {error.hint}"
        return FrontComparison(compared, (*_cautions(compared), unwritten), None)
    return FrontComparison(compared, _cautions(compared), to)


def _check_metrics(compared: Sequence[ComparedRun]) -> None:
    """Raises UserError if gains of the runs are differences of different metrics."""
    by_metric = {run.front.quality.name: run.front.run for run in compared}
    if len(by_metric) > 1:
        found = ", ".join(f"{run} by {metric}" for metric, run in by_metric.items())
        raise UserError(
            f"the runs are judged by different metrics ({found}), so their gains cannot be compared",
            hint="compare runs whose objectives begin with the same quality",
        )


def _compared(name: str, runs: Path) -> ComparedRun:
    with open_run(name, runs) as run:
        try:
            front = run.front
        except UserError as error:
            raise UserError(f"{name}: {error.message}", hint=error.hint, code=error.code) from error
    experiment = run.experiment
    data = run.facts.data
    conditions = {
        "backbone": experiment.model.network,
        "dataset": experiment.data.dataset,
        "data_fingerprint": data.fingerprint if data else "",
        "epochs": experiment.train.epochs,
    }
    return ComparedRun(front, conditions)


def _cautions(compared: Sequence[ComparedRun]) -> tuple[str, ...]:
    """Every gain is over plain of the same run, so gains can be compared; values need the same images as well."""
    values = "accuracies" if compared[0].front.quality.is_default else "the values of plain"
    texts = {
        "data_fingerprint": f"the runs do not share their images: compare gains, not {values}",
        "epochs": "the runs train for different numbers of epochs",
    }
    return tuple(text for name, text in texts.items() if len({run.conditions[name] for run in compared}) > 1)


def _summary(front: Front) -> dict[str, Any]:
    best = front[front.recommended]
    return {
        "verdict": front.verdict,
        "recommended": best.id,
        "words": best.label,
        f"plain_{front.quality.name}": front.plain.value,
        "gain": best.gain,
        "gain_low": best.gain_low,
        "gain_high": best.gain_high,
        USUAL.overhead: best.costs.get(USUAL.overhead),
        "likely": front.likely,
        "front": [point.id for point in front.members],
    }


def _line(run: ComparedRun) -> str:
    front = run.front
    best = front[front.recommended]
    likely = f" (likely: {front[front.likely].label})" if front.likely else ""
    plain = front.quality.number(front.plain.value)
    overhead = percent(best.costs.get(USUAL.overhead, 0.0))
    return (
        f"{front.run:<20}  {gain_text(front.quality, best):>20}  {overhead:>10}  {plain:>7}  "
        f"{best.id} {best.label}{likely}, in {run.conditions['backbone']}"
    )
