"""The result of a run: how the front, the verdicts and the recommendation come about.

Everything is computed from the ledger, so the same run always gives the same result. The front is judged on the
posterior of :mod:`search.model.posterior`, never on observed maxima; *proven* comes from :mod:`search.results.confirmation` alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from search.model import posterior as surrogate
from search.model.posterior import Observation, Posterior
from search.results import confirmation as confirm
from search.results import insights, pareto
from search.results.objectives import excess, losses
from search.results.result import COLUMNS, Front, Point, Rules
from search.state.ledger import Ledger
from search.state.records import OPEN, Training
from senet_nas.costs.measures import USUAL, cost_columns
from spaces.architecture import Architecture
from spaces.errors import NOTHING_USABLE, UserError

__all__ = ["COLUMNS", "Front", "Point", "Rules", "compute", "features", "finalists", "observations", "resolution"]


def observations(trainings: Sequence[Training]) -> list[Observation]:
    """What the finished trainings say."""
    return [
        Observation(t.architecture, t.seed.block, t.metrics["val_accuracy"]) for t in trainings if t.state == "finished"
    ]


def compute(run: str, ledger: Ledger, rules: Rules) -> Front:
    """The result of what the ledger holds now. Raises UserError (code 3) where plain has no finished training."""
    finished = observations(ledger.trainings)
    if not any(o.architecture == 0 for o in finished):
        raise UserError(
            "the plain network has no finished training yet, so there is nothing to compare with", code=NOTHING_USABLE
        )
    posterior = surrogate.fit(finished, features(ledger), resolution=resolution(ledger))
    rounds, ended = _rounds(ledger), int(ledger.fact("confirmations_ended") or 0)
    # What is under way is not looked at: a test at every step would be a test at a larger level.
    tested = [
        number for number in rounds if number <= ended or not any(t.state in OPEN for t in _round(ledger, number))
    ]
    fresh = [observations(_round(ledger, number)) for number in tested]
    unstable = {t.architecture for t in ledger.trainings if t.role == "confirm" and t.state == "failed"}
    comparisons = confirm.compare(fresh, rules.min_gain, unstable=unstable)
    points = [_point(ledger, number, posterior, comparisons, rules) for number in posterior.architectures]
    points = _compared(_marked(points, rules), posterior, rules)
    recommended, likely = _choose(points, posterior, rules)
    return Front(
        run=run, rules=rules, points=tuple(points), sigma=posterior.sigma, confirmed=bool(comparisons),
        under_way=len(tested) < len(rounds), provable=_provable(rounds, posterior.sigma, rules), recommended=recommended, likely=likely,
        counts=_counts(ledger), test=ledger.fact("test"),
        insights=insights.of(ledger, posterior, rules.level),
    )  # fmt: skip


def finalists(ledger: Ledger, rules: Rules, at_most: int) -> list[int]:
    """Who is worth confirming: architectures within all limits that are most surely better than plain, those on the
    front before those behind it."""
    points = [p for p in compute("", ledger, rules).points if not p.is_plain and p.allowed]
    chosen = sorted(points, key=lambda p: (not p.on_front, -p.p_gain, p.costs[USUAL.overhead], int(p.id[1:])))
    return [int(p.id[1:]) for p in chosen[:at_most]]


def resolution(ledger: Ledger) -> float:
    """What one validation image is worth, in points; 0 where that is not known."""
    images = (ledger.fact("data") or {}).get("validation")
    return 100 / images if images else 0.0


def features(ledger: Ledger) -> surrogate.Features:
    """What the architectures of a run have in common; nothing where its sites are not known."""
    sites = insights.sites(ledger)
    if not sites:
        return surrogate.Features.none(len(ledger.entries))
    return surrogate.describe([Architecture.parse(entry.key) for entry in ledger.entries], sites)


# -- inside -----------------------------------------------------------------------------------------------------------


def _rounds(ledger: Ledger) -> dict[int, confirm.Sizes]:
    """The confirmations that have finalists, by number: one that has none spends nothing of the level."""
    noted = enumerate(ledger.fact("confirmations") or [], start=1)
    return {number: confirm.Sizes(**r["sizes"]) for number, r in noted if r["finalists"]}


def _provable(rounds: Mapping[int, confirm.Sizes], sigma: float, rules: Rules) -> float:
    """The smallest gain that the latest confirmation would usually prove."""
    if not rounds:
        return math.inf
    return confirm.smallest_provable(sigma, [*rounds.values()][-1], rules.min_gain, len(rounds) - 1)


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
        val_accuracy=min(100.0, posterior.plain_accuracy + gain), gain=gain, gain_low=low, gain_high=high, p_gain=p_gain,
        n_seeds=len(done), costs={column: price[column] for column in cost_columns() if column in price},
        verdict=_verdict(number, p_gain, p_loss, fresh, rules.level),
        seeds={str(t.seed): t.metrics["val_accuracy"] for t in done},
        allowed=excess(rules.objectives, price) <= 0,
        p_value=fresh.p_value if fresh else None, fresh_gain=fresh.gain if fresh else None, logged=_logged(done),
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
    values = [losses(rules.objectives, points[i].val_accuracy, points[i].costs) for i in allowed]
    members = {allowed[i] for i in pareto.front(values)}
    return [replace(point, on_front=i in members) for i, point in enumerate(points)]


def _compared(points: list[Point], posterior: Posterior, rules: Rules) -> list[Point]:
    """Names, for each member of the front, the cheapest one that it does not likely beat by ``min_gain``."""
    cost = next(o.column for o in rules.objectives if not o.is_accuracy)
    members = sorted((p for p in points if p.on_front), key=lambda p: p.costs[cost])
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
    proven = sorted((p for p in allowed if p.verdict == "proven"), key=lambda p: p.costs[cost])
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
