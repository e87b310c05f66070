"""The trainings of the search phase: what the sampler proposes, or replicates when the space is used up."""

from collections.abc import Callable, Sequence

from search.planning.optuna_study import Proposer
from search.planning.priced_space import PricedSpace
from search.planning.sampler_context import never
from search.planning.training_lengths import ShortTrainings
from search.planning.training_rows import TrainingRows
from search.results import limits
from search.results.evidence import Evidence
from search.results.objectives import Objective, Scores, excess, qualities
from search.state.ledger import Ledger
from search.state.records import Pause, Training
from spaces.architecture import Architecture
from spaces.failpoints import failpoint


class SearchPlan:
    """Plans the trainings of the search phase in the ledger, one at a time. With ``short`` some of them may pause."""

    def __init__(
        self,
        ledger: Ledger,
        space: PricedSpace,
        proposer: Proposer,
        rows: TrainingRows,
        objectives: Sequence[Objective],
        short: ShortTrainings | None = None,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._proposer = proposer
        self._rows = rows
        self._objectives = objectives
        self._qualities = qualities(objectives)
        self._short = short
        self._has_limits = any(objective.limit is not None for objective in objectives)

    def plan(self, block: int, target: int, *, wants_proof: bool = False) -> Training | None:
        """The next training in a seed block, waiting in the ledger; None if nothing is left to train.

        It is a new one, or one that has paused and continues. The search may use ``target`` trainings in all;
        ``wants_proof`` says that a confirmation is ahead.
        """
        number = len(self._ledger.trainings)
        may_pause = self._short.may_pause(self._ledger, target) if self._short else never
        avoid = self._avoid(block)
        level = self._rows.next_level(block)
        found = self._proposer.ask(
            number, avoid, self._mean_scores, level, wants_proof=wants_proof, may_pause=may_pause
        )
        if found is None:
            return self._plan_replicate(block)
        failpoint("after_ask")
        pause = found.pause
        rows = self._rows.of([found.architecture], block)
        paused = self._rows.paused(found.architecture, block, pause.epoch if pause else None)
        if paused is None and not rows:  # of a table whose seeds are used up, what has paused is all that is left
            pause = None
            paused = self._rows.paused(found.architecture, block, None)
        if paused is not None:
            self._proposer.withdraw(number)
            return self._resume(paused, pause)
        return self._ledger.plan(rows, role="search", origin="sampler", proposal=found.record, pause=pause)[0]

    def _resume(self, paused: Training, pause: Pause | None = None) -> Training:
        """The paused training, which waits to be continued, to its end or until a later pause."""
        self._proposer.resume(paused.number)
        return self._ledger.resume(paused.uid, pause=pause)

    def _plan_replicate(self, block: int) -> Training | None:
        """Another training of the architecture with the fewest, to average out noise: all of the space is trained."""
        counts = self._ledger.counts
        usable = [entry for entry in self._ledger.entries if not counts.given_up[entry.number]]
        for entry in sorted(
            usable, key=lambda entry: (len(counts.by_architecture.get(entry.number, ())), entry.number)
        ):
            architecture = entry.architecture
            if not self._is_allowed(architecture):
                continue
            paused = self._rows.paused(architecture, block, None)
            if paused is not None:
                return self._resume(paused)
            rows = self._rows.of([architecture], block)
            if rows:
                return self._ledger.plan(rows, role="search", origin="replicate")[0]
        return None

    def _avoid(self, block: int) -> Callable[[Architecture], bool]:
        """Whether an architecture must not be proposed.

        Barred are architectures over a limit, without a seed in the table, or with a failed or stopped training; and
        all that were trained, unless the sampler replicates.
        """
        is_tried = self._is_spoilt() if self._proposer.replicates else self._is_trained
        if self._space.seeds is None and not self._has_limits:
            return is_tried  # shorter, because it is asked for every member of the space at every proposal

        def avoid(architecture: Architecture) -> bool:
            if is_tried(architecture) or self._is_barred(architecture):
                return True
            return self._proposer.replicates and self._is_used_up(architecture, block)

        return avoid

    def _is_spoilt(self) -> Callable[[Architecture], bool]:
        entries = self._ledger.entries
        spoilt = {entries[number].key for number in +self._ledger.counts.given_up}
        return lambda architecture: architecture.key in spoilt

    def _is_trained(self, architecture: Architecture) -> bool:
        entry = self._ledger.find(architecture.key)
        return entry is not None and entry.number in self._ledger.counts.by_architecture

    def _is_barred(self, architecture: Architecture) -> bool:
        """Whether it is over a limit, or the table holds no seed of it."""
        if not self._is_allowed(architecture):
            return True
        return self._space.seeds is not None and not self._space.seeds(architecture)

    def _is_used_up(self, architecture: Architecture, block: int) -> bool:
        """Whether the table holds no further training that could be compared.

        Of a block that the table knows, only seeds of that block count: the baselines of the block are its comparison.
        """
        if self._space.seeds is None or self._rows.paused(architecture, block, None) is not None:
            return False
        free = self._rows.free_seed(architecture, block)
        is_known_block = any(seed.block == block for seed in self._space.seeds(architecture))
        return free is None or (is_known_block and free.block != block)

    def _is_allowed(self, architecture: Architecture) -> bool:
        if not self._has_limits:
            return True
        entry = self._ledger.find(architecture.key) if self._ledger.facts.timed else None
        if entry is None:
            return excess(self._objectives, self._space.price(architecture)) <= 0
        # What was measured before a confirmation counts for the search that goes on after it.
        known = Evidence(self._ledger.entries, (), self._ledger.facts)
        return limits.keeps(known, self._objectives, entry.number)

    def _mean_scores(self, architecture: Architecture) -> Scores | None:
        """The mean scores of the finished trainings of an architecture; None without one."""
        done = [t for t in self._rows.trainings_of(architecture) if t.state == "finished"]
        if not done:
            return None
        return {
            metric.name: sum(map(metric.score, (t.metrics for t in done))) / len(done) for metric in self._qualities
        }
