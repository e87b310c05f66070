"""What Optuna's dashboard shows of a run, as plain data: one study of its placements, one of its trainings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from search.results.objectives import Objective, objective_values
from search.results.point import Point
from search.setup.opened_run import OpenedRun
from search.state.records import Training
from spaces import durable
from spaces.architecture import Architecture
from spaces.space import Space

GAIN = "gain"
# Optuna's names for the states of a training. One that waits is not shown.
STATES = {"finished": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL", "running": "RUNNING", "paused": "RUNNING"}


@dataclass(frozen=True)
class ShownTrial:
    """One row of a study. ``values`` has one number for each objective, or is empty; times are seconds since the epoch.

    ``constraints`` says by how much each limit is exceeded; 0 or less is within it.
    """

    state: str
    values: tuple[float, ...]
    parameters: Mapping[str, str]
    attributes: Mapping[str, Any]
    began: float
    ended: float | None
    constraints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownStudy:
    """A study: its objectives, the choices of each parameter, its trials, and a note in markdown."""

    name: str
    metrics: tuple[str, ...]
    directions: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    trials: tuple[ShownTrial, ...]
    note: str


def fingerprint(studies: Iterable[ShownStudy]) -> str:
    """SHA-256 of all that the studies show."""
    return durable.digest({"studies": [asdict(study) for study in studies]})


def studies_of(run: OpenedRun) -> list[ShownStudy]:
    """The study of placements, then that of trainings. Raises UserError before plain has a finished training."""
    made = _Studies(run)
    return [made.placements(), made.trainings()]


# -- inside -----------------------------------------------------------------------------------------------------------


_PLACEMENTS = """{verdict}

{rule}

Each trial is a placement. `gain` is its estimated gain over plain{unit}, with the interval `gain_low` to
`gain_high` among its user attributes; overheads are in percent of plain. These are the numbers of the report: noisy
gains are pulled towards zero, so one lucky training cannot win."""

_TRAININGS = """Each trial is one training with one seed, with gain, interval and verdict of its placement as user
attributes. The best of many single trainings is lucky: compare placements in the other study."""


@dataclass(frozen=True)
class _Studies:
    """Makes the studies of a run that has a front."""

    run: OpenedRun

    def placements(self) -> ShownStudy:
        """One trial for each row of the report's table."""
        front = self.run.front
        metric = front.quality
        unit = (f" in {metric.gain_unit}" if metric.gain_unit else "") + metric.named + metric.direction_note
        note = _PLACEMENTS.format(verdict=front.verdict, rule=front.rule, unit=unit)
        gains = {q.name: (GAIN if q == metric else f"{GAIN}_{q.name}", "maximize") for q in front.rules.qualities}
        return self._study("placements", gains, [self._placement(point) for point in front.points], note)

    def trainings(self) -> ShownStudy:
        """One trial for each training that has begun."""
        begun = [self._training(training) for training in self.run.ledger.trainings if training.state in STATES]
        values = {metric.name: (metric.column, metric.goal) for metric in self.run.rules.qualities}
        return self._study("trainings", values, begun, _TRAININGS)

    def _study(
        self, what: str, qualities: Mapping[str, tuple[str, str]], trials: Sequence[ShownTrial], note: str
    ) -> ShownStudy:
        """``qualities`` says under which name, and in which direction, the study shows each of them."""
        shown = [qualities.get(o.metric, (o.column, o.direction)) for o in self._objectives]
        return ShownStudy(
            name=f"{self.run.name}: {what}",
            metrics=tuple(name for name, _ in shown),
            directions=tuple(direction for _, direction in shown),
            choices={} if self._space is None else self._space.parameters,
            trials=tuple(trials),
            note=note,
        )

    def _placement(self, point: Point) -> ShownTrial:
        done = [t for t in self.run.ledger.trainings if t.architecture == point.number and t.state == "finished"]
        return ShownTrial(
            state=STATES["finished"],
            values=objective_values(self._objectives, self._gains(point), point.costs),
            parameters=self._parameters(Architecture.parse(point.architecture)),
            attributes={**self._attributes(point), "role": point.role},
            began=min(t.started or t.created for t in done),
            ended=max(t.ended or t.created for t in done),
            constraints=self._constraints(point),
        )

    def _training(self, training: Training) -> ShownTrial:
        entry = self.run.ledger.entries[training.architecture]
        point = self._points.get(training.architecture)
        state = STATES[training.state]
        began = training.started or training.created
        about = {"training": training.name, "seed": str(training.seed), "role": training.role}
        why = {"reason": training.reason} if training.reason else {}
        placement = {"id": entry.name, "placement": entry.label} if point is None else self._attributes(point)
        shown = ShownTrial(
            state=state,
            values=(),
            parameters=self._parameters(entry.architecture),
            attributes={**about, **why, **placement},
            began=began,
            ended=None if state == "RUNNING" else training.ended or began,
        )
        if training.state != "finished" or point is None:
            return shown
        seen = {metric.name: training.metrics[metric.column] for metric in self.run.rules.qualities}
        values = objective_values(self._objectives, seen, point.costs)
        return replace(shown, values=values, constraints=self._constraints(point))

    def _gains(self, point: Point) -> dict[str, float]:
        first, *others = self.run.rules.qualities
        return {first.name: point.gain, **{metric.name: point.further[metric.column].gain for metric in others}}

    def _attributes(self, point: Point) -> dict[str, Any]:
        """What a person wants to read of a placement; all but the architecture itself is in the report's table, too."""
        return {
            "id": point.id,
            "placement": point.label,
            "verdict": point.verdict,
            "gain": round(point.gain, 4),
            "gain_low": round(point.gain_low, 4),
            "gain_high": round(point.gain_high, 4),
            "p_gain": round(point.p_gain, 4),
            "n_seeds": point.n_seeds,
            "on_front": point.on_front,
            "recommended": point.id == self.run.front.recommended,
            "architecture": point.architecture,
            **{column: round(value, 6) for column, value in point.costs.items()},
        }

    def _constraints(self, point: Point) -> dict[str, float]:
        return {o.column: point.costs[o.column] - o.limit for o in self._objectives if o.limit is not None}

    def _parameters(self, architecture: Architecture) -> dict[str, str]:
        """The choices that spell an architecture, without those of a group that is off.

        Of one that the space does not hold, as a baseline may be, only which groups are on.
        """
        space = self._space
        if space is None:
            return {}
        switches = {
            group: "on" if any(architecture.blocks[i] for i in sites) else "off"
            for group, sites in space.groups.items()
        }
        spelled = space.encode(architecture) if architecture in space else {}
        used = {name: value for name, value in spelled.items() if switches.get(name.rpartition(".")[0]) != "off"}
        return {**used, **switches}

    @property
    def _objectives(self) -> tuple[Objective, ...]:
        return self.run.rules.objectives

    @cached_property
    def _points(self) -> dict[int, Point]:
        return {point.number: point for point in self.run.front.points}

    @cached_property
    def _space(self) -> Space | None:
        """The space of the run; None if its ledger is too old to name the sites."""
        sites = self.run.facts.sites
        experiment = self.run.experiment
        return Space(experiment.model.network, sites, experiment.space) if sites else None
