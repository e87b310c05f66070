"""``senet-search doctor``: what must hold in the folder of a run, and what does not."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.doctor import examine as doctor
from search.doctor.examine import Finding, Result
from search.state import run_folder as folder
from spaces.errors import ENVIRONMENT, UserError


@dataclass(frozen=True)
class Diagnosis:
    """What every check of a run found."""

    run: str
    results: list[Result]

    @property
    def findings(self) -> list[Finding]:
        return [finding for result in self.results for finding in result.findings]

    def to_dict(self) -> dict[str, Any]:
        checks = [{"invariant": r.name, "words": r.words, "state": _state(r), "why": r.skipped} for r in self.results]
        notes = [asdict(note) for result in self.results for note in result.notes]
        return {
            "ok": not self.findings, "findings": [asdict(f) for f in self.findings], "notes": notes, "checks": checks,
        }  # fmt: skip

    def lines(self) -> list[str]:
        return [line for result in self.results for line in _lines(result)]

    def check(self) -> None:
        """Raises UserError (code 4) where anything is wrong."""
        if count := len(self.findings):
            what = f"{count} things are" if count > 1 else "1 thing is"
            raise UserError(f"{what} wrong with run `{self.run}`", code=ENVIRONMENT)


def diagnose(run: str, runs: Path) -> Diagnosis:
    """Raises UserError where there is no such run."""
    place = folder.find(run, runs)
    return Diagnosis(place.name, doctor.results(place))


def _state(result: Result) -> str:
    return "wrong" if result.findings else "skipped" if result.skipped else "caution" if result.notes else "ok"


def _lines(result: Result) -> list[str]:
    why = f" ({result.skipped})" if result.skipped else ""
    head = f"{_state(result):<8}  {result.name:<3}  {result.words}{why}"
    found = [(f"{'':<15}{f.problem}", f"{'':<15}  do: {f.remedy}") for f in (*result.findings, *result.notes)]
    return [head, *(line for pair in found for line in pair)]
