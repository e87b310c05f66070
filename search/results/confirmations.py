"""What the confirmations of a run have shown: those in pairs, and the rounds of earlier versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.results import earlier_rounds, paired_test
from search.results.earlier_rounds import Comparison
from search.results.evidence import observations_of
from search.results.paired_test import Look
from search.state.confirmation_facts import FUTILE, NOBODY, UNPROVEN, PairPlan, Sizes
from search.state.facts import Facts
from search.state.records import OPEN, Training, architecture_name
from senet_nas.training.quality_metrics import ACCURACY, Metric

PROOF = "proven"
# How a confirmation without a proof ended, in words.
ENDED = {UNPROVEN: "not proven", FUTILE: "given up, because a proof had become unlikely"}


@dataclass(frozen=True)
class PairedConfirmation:
    """One confirmation in pairs: its plan, the looks that were taken so far, and how many pairs lost a training."""

    plan: PairPlan
    looks: tuple[Look, ...]
    lost: int = 0
    metric: Metric = ACCURACY

    @property
    def is_under_way(self) -> bool:
        return not self.plan.ended and not (self.looks and self.looks[-1].is_proof)

    @property
    def words(self) -> str:
        """What was compared, how far it came, and how it ended."""
        name = architecture_name(self.plan.candidate)
        lost = f" ({self.lost} lost a training)" if self.lost else ""
        planned = f"{len(self.plan.candidates)} planned pairs with plain{lost}"
        if not self.looks:
            how = ENDED.get(self.plan.ended, "no look yet")
            return f"Confirmation of {name}, {planned}: {how}."
        look = self.looks[-1]
        test = f"p = {look.p_value:.2g} (limit {look.limit:.2g})" if look.has_noise else "the same in each pair"
        gain = f"{self.metric.difference(look.gain)} {self.metric.gain_unit}".rstrip()
        seen = f"in {look.pairs} of {planned}: {gain}, {test}"
        return f"Confirmation of {name} {seen}: {PROOF if look.is_proof else ENDED.get(self.plan.ended, 'under way')}."

    @property
    def comparison(self) -> Comparison | None:
        """The candidate against plain at the latest look; None before the first."""
        if not self.looks:
            return None
        look = self.looks[-1]
        return Comparison(self.plan.candidate, look.gain, look.p_value, look.is_proof, look.pairs, look.pairs)


@dataclass(frozen=True)
class Confirmations:
    """All confirmations of a run that had a candidate. ``rounds`` are those of earlier versions, by number.

    ``unconfirmed_budget`` is the budget to which the run was extended without another candidate; 0 if there was one.
    """

    rounds: Mapping[int, Sizes]
    in_pairs: tuple[PairedConfirmation, ...]
    comparisons: Mapping[int, Comparison]
    under_way: bool
    unconfirmed_budget: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """A sentence for each, and one for an extension of the run that confirmed nobody."""
        to = f"After the extension to {self.unconfirmed_budget} trainings no placement was confirmed"
        nobody = f"{to}: with what was left, none was likely enough to be proven."
        return (*(one.words for one in self.in_pairs), *([nobody] if self.unconfirmed_budget else []))

    def smallest_provable(self, sigma: float, min_gain: float) -> float:
        """The smallest gain in points that a confirmation of the run would usually prove; inf without one.

        That of the largest: what is left of a budget may be spent on pairs that are too few to prove much.
        """
        if self.in_pairs:
            plans = [confirmed.plan for confirmed in self.in_pairs]
            return min(paired_test.smallest_provable(sigma, p.looks, p.level, min_gain) for p in plans)
        if not self.rounds:
            return float("inf")
        latest = [*self.rounds.values()][-1]
        return earlier_rounds.smallest_provable(sigma, latest, min_gain, len(self.rounds) - 1)


def differences(trainings: Sequence[Training], metric: Metric = ACCURACY) -> list[float | None]:
    """The gain of each pair that has ended, in the order in which pairs were planned, up to the first that has not.

    ``trainings`` are those of one confirmation, candidate and plain in turns. None for a pair that lost a training.
    """
    found: list[float | None] = []
    for candidate, plain in zip(trainings[::2], trainings[1::2], strict=False):
        if candidate.state in OPEN or plain.state in OPEN:
            break
        whole = candidate.state == plain.state == "finished"
        found.append(metric.score(candidate.metrics) - metric.score(plain.metrics) if whole else None)
    return found


def trainings_of(trainings: Sequence[Training], number: int) -> list[Training]:
    """The trainings of a confirmation, counted from 1 over all versions, in the order in which they were planned."""
    return [training for training in trainings if training.origin == origin(number)]


def origin(number: int) -> str:
    """What the ledger notes as the origin of the trainings of a confirmation."""
    return f"confirmation {number}"


def confirmations(
    facts: Facts, trainings: Sequence[Training], min_gain: float, metric: Metric = ACCURACY
) -> Confirmations:
    """Everything that was confirmed, tested on fresh trainings alone.

    A candidate that was confirmed twice counts as proven if it was once; else the latest comparison stands.
    """
    rounds, earlier, is_open = _earlier(facts, trainings, min_gain)
    before = len(facts.confirmations or ())
    in_pairs = []
    for number, plan in enumerate(facts.pair_plans or (), start=before + 1):
        if plan.candidates:
            seen = differences(trainings_of(trainings, number), metric)
            taken = paired_test.looks(seen, plan.looks, plan.level, min_gain)
            in_pairs.append(PairedConfirmation(plan, taken, seen.count(None), metric))
    comparisons = dict(earlier)
    for confirmed in in_pairs:
        found = confirmed.comparison
        known = comparisons.get(confirmed.plan.candidate)
        if found is not None and not (known and known.proven):
            comparisons[found.architecture] = found
    under_way = is_open or any(confirmed.is_under_way for confirmed in in_pairs)
    return Confirmations(rounds, tuple(in_pairs), comparisons, under_way, _unconfirmed(facts.pair_plans or ()))


def _unconfirmed(plans: Sequence[PairPlan]) -> int:
    """The budget of the last plan, if it is larger than those that had a candidate and has none itself; else 0."""
    confirmed = [plan.budget for plan in plans if plan.candidates]
    if not confirmed or plans[-1].ended != NOBODY or plans[-1].budget <= max(confirmed):
        return 0
    return plans[-1].budget


def _earlier(
    facts: Facts, trainings: Sequence[Training], min_gain: float
) -> tuple[dict[int, Sizes], dict[int, Comparison], bool]:
    """The rounds of earlier versions that have finalists, what they compared, and whether one has not ended yet.

    A test before a round has ended would be a test at a larger level.
    """
    noted = enumerate(facts.confirmations or (), start=1)
    rounds = {number: fact.sizes for number, fact in noted if fact.finalists}
    ended = facts.confirmations_ended or 0
    of_round = {number: trainings_of(trainings, number) for number in rounds}
    tested = [n for n in rounds if n <= ended or not any(t.state in OPEN for t in of_round[n])]
    lost = {t.architecture for n in rounds for t in of_round[n] if t.state == "failed"}
    fresh = [observations_of(of_round[number]) for number in tested]
    return rounds, earlier_rounds.compare(fresh, min_gain, unstable=lost), len(tested) < len(rounds)
