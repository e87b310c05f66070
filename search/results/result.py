"""A result: points with intervals and verdicts, the front among them, and what it says in words, JSON and CSV."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from search.results import answer_words
from search.results.answer import NO, UNDECIDED, Answer
from search.results.held_out_intervals import held_out_intervals
from search.results.insights import Insights
from search.results.objectives import Objective, leading_cost, qualities
from search.results.point import Point, columns
from search.results.spreadsheet import spreadsheet
from search.state.confirmation_facts import CONFIRM_SHARE, Settled
from senet_nas.costs.measures import Measure, known
from senet_nas.training.quality_metrics import Metric, metric_of
from spaces.errors import UserError, nearest


@dataclass(frozen=True)
class Rules:
    """What decides: the objectives, and the ``search`` settings that a reader may want to question."""

    objectives: tuple[Objective, ...]
    level: float = 0.9
    tolerance: float = 0.1
    min_gain: float = 0.05
    worthwhile: float = 0.2
    confirm: float = CONFIRM_SHARE
    curves: bool = True
    record: tuple[str, ...] = ()

    @property
    def recorded(self) -> tuple[Metric, ...]:
        """The metrics that trainings measure, and that decide nothing."""
        judged = {metric.name for metric in self.qualities}
        return tuple(metric_of(name) for name in self.record if name not in judged)

    @property
    def qualities(self) -> tuple[Metric, ...]:
        """The metrics of the objectives that are no costs, in the order of the config."""
        return qualities(self.objectives)

    @property
    def quality(self) -> Metric:
        """The metric that decides what is proven: the first one."""
        return self.qualities[0]


@dataclass(frozen=True)
class Front:
    """All points of a run, plain first, and the verdict.

    ``seeds_alike``: the results of a placement do not depend on the seed. ``used`` is what all trainings have used of
    the budget; those that were stopped or have paused are ``worth`` so many whole ones, by state.
    """

    run: str
    rules: Rules
    points: tuple[Point, ...]
    sigma: float
    provable: float
    confirmed: bool
    under_way: bool
    recommended: str
    likely: str | None
    counts: Mapping[str, int]
    test: Mapping[str, Any] | None = None
    insights: Insights | None = None
    answer: Answer = field(default_factory=Answer)
    settled: Settled | None = None
    confirmations: tuple[str, ...] = ()
    seeds_alike: bool = False
    worth: Mapping[str, float] = field(default_factory=dict)
    used: float = 0.0

    def __getitem__(self, name: str) -> Point:
        for point in self.points:
            if point.id == name:
                return point
        close = nearest(name, (point.id for point in self.points))
        raise UserError(
            f"no architecture `{name}` in this run; it has a0 to {self.points[-1].id}",
            hint=(f"did you mean `{close}`? " if close else "") + f"`senet-search report {self.run}` lists them",
        )

    @property
    def plain(self) -> Point:
        return self.points[0]

    @cached_property
    def members(self) -> tuple[Point, ...]:
        """The front, from the cheapest on."""
        cost = self.costs[0]
        return tuple(sorted((p for p in self.points if p.on_front), key=lambda p: p.costs[cost]))

    @property
    def costs(self) -> tuple[str, ...]:
        return tuple(o.column for o in self.rules.objectives if not o.is_quality)

    @property
    def quality(self) -> Metric:
        """The metric that decides what is proven, and that gains are differences of."""
        return self.rules.quality

    @property
    def leading_cost(self) -> Measure:
        """The cost that texts name."""
        return leading_cost(self.rules.objectives, self.plain.costs)

    @property
    def measures(self) -> list[Measure]:
        """The costs that this run knows."""
        return known(self.plain.costs)

    @property
    def verdict(self) -> str:
        """The answer in words: what was found, how sure that is, and what would decide it."""
        return " ".join([self.headline, *self.outlook])

    @property
    def headline(self) -> str:
        """The answer without what would decide it."""
        best = self[self.recommended]
        if len(self.points) == 1 and self.settled is None:
            return answer_words.nothing_yet(best.n_seeds)
        if not best.is_plain:
            cost = self.leading_cost
            return answer_words.worth_it(
                best.label,
                self.quality.gain(best.gain, best.gain_low, best.gain_high),
                f"{best.costs[cost.overhead]:+.2f} % {cost.title}",
                self.quality,
            )
        if self.answer.kind == NO:
            return answer_words.not_worth_it(self.answer, self._within, self.quality)
        return answer_words.undecided(self._over_limit, self._likely_words)

    @property
    def outlook(self) -> list[str]:
        """What follows the headline: how many trainings would decide the question, or that a proven gain is small.

        Empty where more trainings like these would decide nothing, for example because they were too short.
        """
        best = self[self.recommended]
        if len(self.points) == 1 and self.settled is None:
            return []
        if not best.is_plain:
            return answer_words.small(best.gain, self.rules.worthwhile, self.quality)
        is_idle = self.answer.kind == NO or (self.insights is not None and self.insights.are_alike)
        return [] if is_idle else answer_words.what_would_decide(self.answer)

    @property
    def _within(self) -> str:
        return " within the limits" if any(o.limit is not None for o in self.rules.objectives) else ""

    @property
    def _over_limit(self) -> str:
        """What is proven, but costs more than a limit allows."""
        return ", ".join(point.label for point in self.points if point.verdict == "proven" and not point.allowed)

    @property
    def _likely_words(self) -> str:
        if self.likely is None:
            return ""
        likely = self[self.likely]
        return f"{likely.label} ({self.quality.gain(likely.gain, likely.gain_low, likely.gain_high)})"

    @property
    def ending(self) -> str:
        """Why a run stopped before its budget was used, and how to go on; empty for others.

        Empty, too, for one that goes on after an extension.
        """
        return answer_words.ending(self.settled, self.counts.get("finished", 0), self.used)

    @property
    def rule(self) -> str:
        """How the recommendation was made, in words."""
        if self[self.recommended].is_plain:
            return "Recommended: plain, because no placement was proven better."
        chance = f"{100 * (1 - self.rules.level):.0f} %"
        return (
            f"Recommended: {self.recommended}, the cheapest proven placement whose chance of being more than "
            f"{self.tolerance} worse than the best is below {chance}."
        )

    @property
    def tolerance(self) -> str:
        """How much worse than the best a recommendation may be, with its unit."""
        return f"{self.rules.tolerance:g} {self.quality.gain_unit}".rstrip()

    @property
    def worthwhile(self) -> str:
        """The gain below which SE is not wanted, with its unit."""
        return f"{self.rules.worthwhile:g} {self.quality.gain_unit}".rstrip()

    @property
    def power(self) -> str:
        """What could be found at all with these trainings; empty if less was proven than usually can be."""
        if self.seeds_alike:
            return answer_words.seeds_alike(self.quality)
        if self.under_way:
            return answer_words.under_way(self.settled, self.counts.get("finished", 0))
        if not self.confirmed:
            return answer_words.not_confirmed(self.settled, self.answer.kind, self.rules.confirm)
        if any(point.verdict == "proven" and point.gain <= self.provable for point in self.points):
            return ""
        least = self.quality.size(self.provable)
        return f"With this much seed noise, only gains above about {least} could usually be proven."

    @property
    def expected_score(self) -> float:
        """S, the share of the possible gain that this front is expected to earn; nan if it is not known."""
        return self.insights.progress.score if self.insights else math.nan

    @property
    def findings(self) -> list[str]:
        """In sentences: what pays, what cannot be told apart, what it would take. All *likely*, never *proven*."""
        return [*self.alikes, *self.cautions, *self.statements, *self.statistics]

    @property
    def cautions(self) -> list[str]:
        """What a reader must know first: placements hardly differ, plain learned nothing, or a class is hidden."""
        return self.insights.first if self.insights else []

    @property
    def statements(self) -> list[str]:
        """What pays, in plain words."""
        return self.insights.statements(self.rules.level) if self.insights else []

    @property
    def statistics(self) -> list[str]:
        """How much was found, and what makes the noise."""
        if self.insights is None:
            return []
        return self.insights.statistics(expects_gain=self.expects_gain)

    @property
    def expects_gain(self) -> bool:
        """Whether there is a gain to be found: a placement within the limits may gain what is worthwhile."""
        ends = [point.gain_high for point in self.points if point.allowed and not point.is_plain]
        return self.answer.kind != NO and max(ends, default=0.0) >= self.rules.worthwhile

    @property
    def advice(self) -> list[str]:
        """What would lower the noise, where that is clear and a question is open."""
        return self.insights.advice if self.insights and self.answer.kind == UNDECIDED else []

    @property
    def alikes(self) -> list[str]:
        """Which members of the front are not measurably better than a cheaper one."""
        return [self._alike(point.id, point.alike) for point in self.members if point.alike]

    def _alike(self, name: str, cheaper: str) -> str:
        other = "plain" if self[cheaper].is_plain else cheaper
        return f"{name} is not measurably better than {other}, which is cheaper."

    @property
    def test_intervals(self) -> dict[str, dict[str, float]]:
        """By architecture the interval of its result on the test set for other images, where it is known."""
        return held_out_intervals(self.test.get("results", {}), self.quality) if self.test else {}

    def to_dict(self) -> dict[str, Any]:
        intervals = self.test_intervals
        return {
            "verdict": self.verdict,
            "answer": asdict(self.answer),
            "recommended": self.recommended,
            "likely": self.likely,
            "rule": self.rule,
            "power": self.power,
            "ending": self.ending,
            "confirmations": list(self.confirmations),
            "sigma": self.sigma,
            "smallest_provable_gain": _finite(self.provable),
            "trainings": dict(self.counts),
            "test": self.test,
            **({"test_intervals": intervals} if intervals else {}),
            "findings": self.findings,
            "insights": self.insights.to_dict() if self.insights else None,
            "objectives": [o.to_dict() for o in self.rules.objectives],
            "points": [point.to_dict() for point in self.points],
        }

    def to_json(self) -> str:
        """``front.json``: schema, command and run, then the result."""
        return json.dumps({"schema": 1, "command": "front", "run": self.run, **self.to_dict()}, indent=1)

    def to_csv(self) -> str:
        """``front.csv``: a row for each point."""
        return spreadsheet((p.to_dict() for p in self.points), columns(self.rules.qualities, self.measures))


# -- inside -----------------------------------------------------------------------------------------------------------


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
