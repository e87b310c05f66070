"""The confirmation: freezes one candidate, plans its pairs in the ledger, looks, and gives up what has become futile.

The plan (candidate, pairs, looks, part of the level) is in the ledger before its first training. The trainings of a
look are planned together once the look before has been taken, so nothing is tested in between.
"""

from collections.abc import Sequence
from dataclasses import replace

from search.model.hyperparameters import HyperparameterGrid
from search.planning.budget_split import BudgetSplit
from search.planning.finalist_choice import FinalistChoice
from search.planning.priced_space import Measure
from search.planning.training_rows import Row, TrainingRows
from search.results import paired_test
from search.results.confirmations import differences, origin, trainings_of
from search.results.paired_test import CANDIDATE_SHARE, FEWEST_PAIRS
from search.results.proof_chances import FUTILE, remaining_chance
from search.results.result import Rules
from search.state import confirmation_facts
from search.state.confirmation_facts import PairPlan
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Training
from spaces.architecture import Architecture


class ConfirmationPlan:
    """Plans the confirmations of a run in the ledger.

    ``seconds`` is the time limit of the run; None is no limit. ``grid`` replaces the model's hyperparameter grid.
    ``measure`` times a candidate whose predicted latency does not decide a limit.
    """

    def __init__(
        self,
        ledger: Ledger,
        split: BudgetSplit,
        rows: TrainingRows,
        rules: Rules,
        seconds: float | None = None,
        grid: HyperparameterGrid | None = None,
        measure: Measure | None = None,
    ) -> None:
        self._ledger = ledger
        self._split = split
        self._rows = rows
        self._rules = rules
        self._seconds = seconds
        self._grid = grid
        self._choice = FinalistChoice(ledger, rules, measure, grid)

    @property
    def is_under_way(self) -> bool:
        plans = self._split.plans
        return bool(plans) and not plans[-1].ended

    def freeze(self, pairs: int, covered: int | None = None) -> Training | None:
        """Freezes the candidate that is most likely proven with so many pairs, and plans its first look.

        ``covered`` is that of :class:`PairPlan`. Returns the first of the new trainings; None, which is noted, if no
        candidate is worth a confirmation.
        """
        level = self.next_level
        chosen = self._choice.best(lambda number: self._possible(number, pairs), level)
        if chosen is None:
            self._add(PairPlan((), (), 0.0, self._split.budget, ended=confirmation_facts.NOBODY, covered=covered))
            return None
        pairs = self._possible(chosen.number, pairs)
        plan = PairPlan(
            candidates=(chosen.number,) * pairs,
            looks=paired_test.looks_at(pairs, self._least),
            level=level,
            budget=self._split.budget,
            first_block=1 + max(self._ledger.counts.last_block.values()),
            covered=covered,
            until=self._seconds,
        )
        return self._plan_look((*self._split.plans, plan), plan.looks[0])

    def advance(self) -> Training | None:
        """Looks at the pairs of a confirmation under way, all of which have ended.

        The first training of its next look; None if the confirmation has ended now, or if the budget does not hold the
        pairs of the next look.
        """
        plan = self._split.plans[-1]
        seen = self._seen()
        taken = paired_test.looks(seen, plan.looks, plan.level, self._rules.min_gain)
        if taken and taken[-1].is_proof:
            self._end(plan, confirmation_facts.PROVEN)
            return None
        following = next((count for count in plan.looks if count > plan.planned), None)
        if following is None:
            self._end(plan, confirmation_facts.UNPROVEN)
            return None
        if remaining_chance(self._ledger, self._rules, plan, seen, self._grid) < FUTILE:
            self._end(plan, confirmation_facts.FUTILE)
            return None
        if 2 * (following - plan.planned) > self._split.left:
            return None
        return self._plan_look(self._split.plans, following)

    def look_at_end_of_time(self) -> None:
        """Adds a look at the pairs that have ended when the time of the run is over. The others may follow later.

        The plan holds the time of this look: it is taken once, and only at the limit that the run had when the
        candidate was frozen. So nobody can choose the moment of a look by what the pairs have shown, and the spending
        stays what it is (Lan and DeMets 1983).
        """
        if not self.is_under_way:
            return
        plan = self._split.plans[-1]
        if plan.until is None or plan.until != self._seconds:
            return
        ended = len(self._seen())
        looks = {*plan.looks, ended} if ended >= FEWEST_PAIRS else plan.looks
        self._replace(plan, replace(plan, looks=tuple(sorted(looks)), until=None))

    @property
    def next_level(self) -> float:
        """The part of the level that the next candidate gets."""
        rounds = sum(bool(fact.finalists) for fact in self._split.rounds)
        ended = [(plan.level, plan.ended == confirmation_facts.PROVEN) for plan in self._split.plans]
        return CANDIDATE_SHARE * paired_test.level_left(rounds, ended)

    @property
    def _least(self) -> int:
        """Pairs between two looks: what the slots train at the same time."""
        slots = self._ledger.facts.slots
        return max(1, (slots.count or 1) // 2) if slots else 1

    def _seen(self) -> list[float | None]:
        """The gains of the pairs of the latest confirmation, up to the first pair that has not ended."""
        number = len(self._split.rounds) + len(self._split.plans)
        return differences(trainings_of(self._ledger.trainings, number), self._rules.quality)

    def _possible(self, number: int, pairs: int) -> int:
        """How many pairs an architecture can have: a table holds so many trainings and no more."""
        return self._rows.pairs_left(*self._both(number), pairs)

    def _both(self, number: int) -> tuple[Architecture, Architecture]:
        """The candidate of a number, and plain."""
        return self._ledger.entries[number].architecture, self._ledger.entries[0].architecture

    def _plan_look(self, plans: Sequence[PairPlan], count: int) -> Training:
        """Plans the pairs of the last of ``plans`` up to a look: candidate and plain in turns, a block for each."""
        plan = plans[-1]
        rows: list[Row] = []
        for pair in range(plan.planned, count):
            rows += self._rows.pair(*self._both(plan.candidates[pair]), plan.first_block + pair, rows)
        noted = Facts(pair_plans=(*plans[:-1], replace(plan, planned=count)))
        number = len(self._split.rounds) + len(plans)
        return self._ledger.plan(rows, role="confirm", origin=origin(number), facts=noted)[0]

    def _end(self, plan: PairPlan, how: str) -> None:
        self._replace(plan, replace(plan, ended=how))

    def _add(self, plan: PairPlan) -> None:
        self._ledger.note(Facts(pair_plans=(*self._split.plans, plan)))

    def _replace(self, plan: PairPlan, changed: PairPlan) -> None:
        self._ledger.note(Facts(pair_plans=(*self._split.plans[:-1], changed)))
