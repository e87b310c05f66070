"""What the trainings say about the whole space, trained or not: does any placement gain enough to be worth it?"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observations
from search.planning import candidates
from search.planning.candidates import LISTED, Candidates
from search.planning.priced_space import PricedSpace, Seeds
from search.results import limits
from search.results.answer import more_trainings
from search.results.evidence import Evidence
from search.results.objectives import excess
from search.results.result import Rules
from search.state.confirmation_facts import AnswerFact
from search.state.ledger import Ledger
from search.state.shared_facts import SharedFigures
from spaces.architecture import Architecture

Array = NDArray[np.float64]
# Of a space that is too large to be listed, so many random members stand for all that were not trained.
SAMPLED = 4000
# Draws of the largest gain: fewer where there are many architectures.
DRAWS = 2000
CELLS = 4_000_000


class WholeSpace:
    """Every placement of a space with its features. ``grid`` replaces the model's hyperparameter grid."""

    def __init__(self, space: PricedSpace, rules: Rules, grid: HyperparameterGrid | None = None) -> None:
        self._space = space
        self._rules = rules
        self._grid = grid
        self._known: _Listed | None = None
        self._figures: SharedFigures | None = None

    def ask(self, ledger: Ledger, *, level: float, share: float, forecast: bool) -> AnswerFact | None:
        """What the finished trainings say; None before plain has finished.

        With ``forecast`` also how many more trainings would decide an undecided run, of which a ``share`` confirm at
        ``level``.
        """
        evidence = Evidence.of(ledger, self._rules.quality)
        if 0 not in evidence.by_architecture:
            return None
        gains, sigmas = self._draws(evidence)
        worthwhile = self._rules.worthwhile
        p_not_worth = float((gains.max(axis=1, initial=0.0) <= worthwhile).mean())
        found = AnswerFact(len(evidence.finished), worthwhile, p_not_worth, gains.shape[1])
        if not forecast or not gains.shape[1] or evidence.seeds_alike:
            return found
        more = more_trainings(
            gains, sigmas, level=level, share=share, min_gain=self._rules.min_gain, worthwhile=worthwhile
        )
        if self._space.seeds is None:
            return replace(found, more=more.enough, more_even=more.even, forecast=True)
        left = self._left(self._space.seeds, ledger)
        known = [number for number in (more.even, more.enough) if number is not None and number <= left]
        if not known:
            return found  # a table has no further trainings to name
        return replace(found, more=more.enough if more.enough in known else None, more_even=known[0], forecast=True)

    def _left(self, seeds: Seeds, ledger: Ledger) -> int:
        """How many trainings a table with these ``seeds`` still holds."""
        members = self._known.candidates.members if self._known else ()
        return sum(len(seeds(member)) for member in members) - len(ledger.trainings)

    def _draws(self, evidence: Evidence) -> tuple[Array, Array]:
        """Draws of the gains of all placements within the limits, (draws, placements), and of sigma, (draws,)."""
        if evidence.facts.shared_figures is not self._figures:
            self._figures = evidence.facts.shared_figures
            self._known = None
        listed = self._listed([entry.architecture for entry in evidence.entries])
        place = listed.candidates.index
        index = [place[entry.key] for entry in evidence.entries]
        observed = evidence.observations(curves=self._rules.curves)
        seen = Observations.of([replace(o, architecture=index[o.architecture]) for o in observed])
        posterior = evidence.posterior_of(seen, features=listed.candidates.features, grid=self._grid, draws=DRAWS)
        allowed = self._allowed(listed, evidence, index)
        count = int(min(DRAWS, max(200, CELLS // max(len(allowed), 1))))
        gains = posterior.everywhere(count, allowed).astype(np.float64)
        return gains, posterior.sigmas[:count]

    def _allowed(self, listed: "_Listed", evidence: Evidence, index: Sequence[int]) -> NDArray[np.int64]:
        """The places of all placements within the limits; ``index`` has those of the architectures of the run.

        Of these, measured latencies count, and a doubtful prediction excludes none.
        """
        if not evidence.facts.timed:
            return listed.allowed
        objectives = self._rules.objectives
        known = {place: bool(n) and limits.may_keep(evidence, objectives, n) for n, place in enumerate(index)}
        others = [place for place in listed.allowed.tolist() if place not in known]
        return np.array(sorted([*others, *(place for place, is_kept in known.items() if is_kept)]), dtype=np.int64)

    def _listed(self, trained: Sequence[Architecture]) -> "_Listed":
        """The members of the space, and what was trained beside them. They are described again if more was trained."""
        known = self._known or self._described(self._first_members())
        new = [architecture for architecture in trained if architecture.key not in known.candidates.index]
        self._known = self._described([*known.candidates.members, *new]) if new else known
        return self._known

    def _first_members(self) -> list[Architecture]:
        """Plain first. Of a large space random ones, and those that a shared network has evaluated."""
        space = self._space.space
        if space.size <= LISTED:
            return list(space)
        rng = random.Random(0)
        plain = Architecture.plain(space.backbone, len(space.sites))
        evaluated = candidates.evaluated(space, self._figures) if self._figures else []
        return list(dict.fromkeys([plain, *(space.sample(rng) for _ in range(SAMPLED)), *evaluated]))

    def _described(self, members: list[Architecture]) -> "_Listed":
        price = self._space.price
        objectives = self._rules.objectives
        within = [i for i, member in enumerate(members) if i and excess(objectives, price(member)) <= 0]
        described = candidates.described(members, self._space.space, price, (), self._figures)
        return _Listed(described, np.array(within, dtype=np.int64))


@dataclass(frozen=True)
class _Listed:
    """``allowed``: the places of all placements within the limits."""

    candidates: Candidates
    allowed: NDArray[np.int64]
