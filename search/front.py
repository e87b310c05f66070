"""The result of a run: points with intervals and verdicts, the front among them, and what to take.

Everything is computed from the ledger, so the same run always gives the same result. The front is judged on the
posterior of :mod:`search.surrogate`, never on observed maxima; *proven* comes from :mod:`search.confirm` alone.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from search import confirm, insights, pareto, surrogate
from search.insights import Insights
from search.ledger import Ledger, Training
from search.objectives import Objective, excess, losses
from search.surrogate import Observation, Posterior
from spaces.architecture import Architecture
from spaces.errors import UserError, nearest

COLUMNS = (
    "id", "architecture", "words", "role", "on_front", "val_accuracy", "gain", "gain_low", "gain_high", "p_gain",
    "n_seeds", "params", "params_overhead", "macs", "macs_overhead", "latency_ms",
    "latency_overhead", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """What decides: the objectives, and the ``search`` settings that a reader may want to question."""

    objectives: tuple[Objective, ...]
    level: float = 0.9
    tolerance: float = 0.1
    min_gain: float = 0.05


@dataclass(frozen=True)
class Point:
    """One architecture. Accuracy in percent, gain over plain in points, overhead in percent."""

    id: str
    architecture: str
    words: str
    role: str
    on_front: bool
    val_accuracy: float
    gain: float
    gain_low: float
    gain_high: float
    p_gain: float
    n_seeds: int
    params: float
    params_overhead: float
    macs: float
    macs_overhead: float
    verdict: str
    seeds: Mapping[str, float] = field(default_factory=dict)
    allowed: bool = True
    p_value: float | None = None
    fresh_gain: float | None = None
    logged: Mapping[str, float] = field(default_factory=dict)
    # Predicted, unless there is an interval: then it was timed alone, at the end.
    latency_ms: float | None = None
    latency_overhead: float | None = None
    latency_low: float | None = None
    latency_high: float | None = None
    # A member of the front that is not likely better than another, which costs less: the cheapest such.
    alike: str | None = None

    @property
    def is_plain(self) -> bool:
        return self.role == "plain"


@dataclass(frozen=True)
class Front:
    """All points of a run, plain first, and the verdict."""

    run: str
    rules: Rules
    points: tuple[Point, ...]
    sigma: float
    provable: float
    confirmed: bool
    recommended: str
    likely: str | None
    counts: Mapping[str, int]
    test: Mapping[str, Any] | None = None
    insights: Insights | None = None

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
        return tuple(sorted((p for p in self.points if p.on_front), key=lambda p: getattr(p, cost)))

    @property
    def costs(self) -> tuple[str, ...]:
        return tuple(o.column for o in self.rules.objectives if not o.is_accuracy)

    def pick(self, name: str = "best") -> Point:
        """``best`` is the recommendation; ``aN`` any architecture. Raises UserError."""
        return self[self.recommended if name == "best" else name]

    @property
    def verdict(self) -> str:
        """One sentence: what was found, and how sure that is."""
        best = self[self.recommended]
        if not best.is_plain:
            return (
                f"Proven: {best.words} gains {best.fresh_gain:+.2f} points over plain on fresh seeds "
                f"({best.params_overhead:+.2f} % parameters)."
            )
        if self.likely is None:
            return "No placement of SE is proven or even likely better than the plain network."
        likely = self[self.likely]
        return (
            f"Nothing is proven. Likely better than plain: {likely.words} "
            f"({likely.gain:+.2f} points [{likely.gain_low:+.2f}, {likely.gain_high:+.2f}])."
        )

    @property
    def rule(self) -> str:
        """How the recommendation was made, in words."""
        chance = f"{100 * (1 - self.rules.level):.0f} %"
        return (
            f"Recommended: the cheapest proven architecture whose chance of being worse than the best by more than "
            f"{self.rules.tolerance:g} points is below {chance}; the plain network when nothing is proven."
        )

    @property
    def power(self) -> str:
        """What could be found at all with these trainings."""
        if not self.confirmed:
            return (
                "No fresh trainings beside plain have finished, so nothing can be proven; a budget of 24 trainings, or an "
                "extension by 24, includes some."
            )
        return f"Smallest gain that this confirmation would usually prove: {self.provable:.2f} points."

    @property
    def expected_score(self) -> float:
        """S, the share of the possible gain that following this front is expected to earn; nan where it is not known."""
        return self.insights.progress.score if self.insights else math.nan

    @property
    def findings(self) -> list[str]:
        """In sentences: what pays, what cannot be told apart, what it would take. All *likely*, never *proven*."""
        alike = [f"{p.id} cannot be told from {p.alike}, which costs less." for p in self.members if p.alike]
        needed = None if self.likely is None else self._needed(self[self.likely].gain - self.rules.min_gain)
        return [
            *alike,
            *(self.insights.lines(self.rules.level) if self.insights else ()),
            *([needed] if needed else ()),
        ]

    def _needed(self, gain: float) -> str | None:
        budget = confirm.budget_for(gain, self.sigma) if gain > 0 else None
        if budget is None:
            return None
        return (
            f"To prove what {self.likely} seems to gain takes about {budget:,} trainings, a quarter of them fresh ones."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict, "recommended": self.recommended, "likely": self.likely, "rule": self.rule,
            "power": self.power, "sigma": self.sigma, "smallest_provable_gain": _finite(self.provable),
            "trainings": dict(self.counts), "test": self.test, "findings": self.findings,
            "insights": self.insights.to_dict() if self.insights else None,
            "objectives": [asdict(o) for o in self.rules.objectives],
            "points": [asdict(point) for point in self.points],
        }  # fmt: skip

    def to_json(self) -> str:
        """The JSON envelope of DESIGN section 11: schema, command, run, then the result."""
        return json.dumps({"schema": 1, "command": "front", "run": self.run, **self.to_dict()}, indent=1)

    def to_csv(self) -> str:
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in asdict(point).items()} for point in self.points)
        return out.getvalue()


def observations(trainings: Sequence[Training]) -> list[Observation]:
    """What the finished trainings say."""
    return [
        Observation(t.architecture, t.seed.block, t.metrics["val_accuracy"]) for t in trainings if t.state == "finished"
    ]


def compute(run: str, ledger: Ledger, rules: Rules) -> Front:
    """The result of what the ledger holds now. Raises UserError (code 3) where plain has no finished training."""
    finished = observations(ledger.trainings)
    if not any(o.architecture == 0 for o in finished):
        raise UserError("the plain network has no finished training yet, so there is nothing to compare with", code=3)
    posterior = surrogate.fit(finished, _features(ledger), resolution=_resolution(ledger))
    rounds = ledger.fact("confirmations") or []
    fresh = [observations(_round(ledger, number)) for number in range(1, 1 + len(rounds))]
    unstable = {t.architecture for t in ledger.trainings if t.role == "confirm" and t.state == "failed"}
    comparisons = confirm.compare(fresh, rules.min_gain, unstable=unstable)
    points = [_point(ledger, number, posterior, comparisons, rules) for number in posterior.architectures]
    points = _compared(_marked(points, rules), posterior, rules)
    recommended, likely = _choose(points, posterior, rules)
    sizes = [confirm.Sizes(**r["sizes"]) for r in rounds if r["finalists"]]
    return Front(
        run=run, rules=rules, points=tuple(points), sigma=posterior.sigma, confirmed=bool(comparisons),
        provable=confirm.smallest_provable(posterior.sigma, sizes[-1]) if sizes else math.inf, recommended=recommended, likely=likely,
        counts=_counts(ledger), test=ledger.fact("test"),
        insights=insights.of(ledger, posterior, rules.level),
    )  # fmt: skip


def finalists(ledger: Ledger, rules: Rules, at_most: int) -> list[int]:
    """Who is worth confirming: architectures within all limits that are most surely better than plain, those on the
    front before those behind it."""
    points = [p for p in compute("", ledger, rules).points if not p.is_plain and p.allowed]
    chosen = sorted(points, key=lambda p: (not p.on_front, -p.p_gain, p.params_overhead, int(p.id[1:])))
    return [int(p.id[1:]) for p in chosen[:at_most]]


# -- inside -----------------------------------------------------------------------------------------------------------


def _resolution(ledger: Ledger) -> float:
    """What one validation image is worth, in points; 0 where that is not known."""
    images = (ledger.fact("data") or {}).get("validation")
    return 100 / images if images else 0.0


def _features(ledger: Ledger) -> surrogate.Features:
    """What the architectures of a run have in common; nothing where its sites are not known."""
    sites = insights.sites(ledger)
    if not sites:
        return surrogate.Features.none(len(ledger.entries))
    return surrogate.describe([Architecture.parse(entry.key) for entry in ledger.entries], sites)


def _round(ledger: Ledger, number: int) -> list[Training]:
    return [t for t in ledger.trainings if t.origin == f"confirmation {number}"]


def _point(
    ledger: Ledger, number: int, posterior: Posterior, comparisons: Mapping[int, confirm.Comparison], rules: Rules
) -> Point:
    entry, done = (
        ledger.entries[number],
        [t for t in ledger.trainings if t.architecture == number and t.state == "finished"],
    )
    price = {**entry.price, **(ledger.fact("latency") or {}).get(entry.name, {})}
    gain, low, high = posterior.interval(number, rules.level)
    p_gain = posterior.probability(number, rules.min_gain)
    p_loss = 1 - posterior.probability(number, -rules.min_gain)
    fresh = comparisons.get(number)
    return Point(
        id=entry.name, architecture=entry.key, words=entry.words, role=_role(number, done), on_front=False,
        val_accuracy=posterior.plain_accuracy + gain, gain=gain, gain_low=low, gain_high=high, p_gain=p_gain,
        n_seeds=len(done), params=entry.price["params"], params_overhead=entry.price["params_overhead"],
        macs=entry.price["macs"], macs_overhead=entry.price["macs_overhead"],
        verdict=_verdict(number, p_gain, p_loss, fresh, rules.level),
        seeds={str(t.seed): t.metrics["val_accuracy"] for t in done},
        allowed=excess(rules.objectives, price) <= 0,
        p_value=fresh.p_value if fresh else None, fresh_gain=fresh.gain if fresh else None, logged=_logged(done),
        **{name: value for name, value in price.items() if name.startswith("latency_")},
    )  # fmt: skip


def _role(number: int, done: Sequence[Training]) -> str:
    if number == 0:
        return "plain"
    roles = {t.role for t in done}
    return "finalist" if "confirm" in roles else "baseline" if "baseline" in roles else "candidate"


def _verdict(number: int, p_gain: float, p_loss: float, fresh: confirm.Comparison | None, level: float) -> str:
    if number == 0:
        return "plain"
    if fresh is not None and fresh.proven:
        return "proven"
    if p_gain >= level:
        return "likely"
    return "likely worse" if p_loss >= level else "open"


def _logged(done: Sequence[Training]) -> dict[str, float]:
    """Means over seeds of what else every training logged at its last epoch."""
    names = ("val_log_loss", "train_loss", "grad_norm", "gate_mean", "gate_saturation", "train_seconds")
    values = {name: [t.metrics[name] for t in done if name in t.metrics] for name in names}
    return {name: sum(found) / len(found) for name, found in values.items() if found}


def _marked(points: list[Point], rules: Rules) -> list[Point]:
    """Marks the front: estimated accuracy against overheads, among what the limits allow. Plain is always allowed."""
    allowed = [i for i, p in enumerate(points) if p.allowed or p.is_plain]
    values = [losses(rules.objectives, points[i].val_accuracy, asdict(points[i])) for i in allowed]
    members = {allowed[i] for i in pareto.front(values)}
    return [replace(point, on_front=i in members) for i, point in enumerate(points)]


def _compared(points: list[Point], posterior: Posterior, rules: Rules) -> list[Point]:
    """Names, for each member of the front, the cheapest one that it does not likely beat by ``min_gain``."""
    cost = next(o.column for o in rules.objectives if not o.is_accuracy)
    members = sorted((p for p in points if p.on_front), key=lambda p: getattr(p, cost))
    found: dict[str, str] = {}
    for i, point in enumerate(members):
        for cheaper in members[:i]:
            more = posterior.of(int(point.id[1:])) - posterior.of(int(cheaper.id[1:]))
            if (more > rules.min_gain).mean() < rules.level:
                found[point.id] = cheaper.id
                break
    return [replace(point, alike=found.get(point.id)) for point in points]


def _choose(points: Sequence[Point], posterior: Posterior, rules: Rules) -> tuple[str, str | None]:
    """The recommendation, and the likely one to name beside plain where nothing is proven."""
    cost = next(o.column for o in rules.objectives if not o.is_accuracy)
    allowed = [p for p in points if p.allowed and not p.is_plain]
    proven = sorted((p for p in allowed if p.verdict == "proven"), key=lambda p: getattr(p, cost))
    if proven:
        best = max(proven, key=lambda p: p.gain)
        shortfall = posterior.of(int(best.id[1:]))
        for point in proven:
            behind = shortfall - posterior.of(int(point.id[1:])) > rules.tolerance
            if behind.mean() < 1 - rules.level:
                return point.id, None
        return best.id, None
    likely = [p for p in allowed if p.verdict == "likely"]
    return points[0].id, max(likely, key=lambda p: p.p_gain).id if likely else None


def _counts(ledger: Ledger) -> dict[str, int]:
    states = [t.state for t in ledger.trainings]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cell(value: object) -> object:
    """CSV for spreadsheets: no cell may start like a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value
