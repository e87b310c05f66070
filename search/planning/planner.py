"""What to train next: baselines, then the search, then the confirmation. Everything is read off the ledger.

Trainings of a block share the backbone's initial weights and are compared within it, so each block starts with its own
fixed points. Plain is in every comparison and is trained most often: sqrt(n) times for n trainings (Dunnett 1955).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from search.planning.optuna_study import Proposer
from search.planning.priced_space import PricedSpace
from search.results import compute as front
from search.results import confirmation as confirm
from search.results.confirmation import Sizes
from search.results.objectives import excess
from search.results.result import Rules
from search.state.ledger import Ledger
from search.state.records import SHARE, Entry, Role, Training
from senet_nas.recipe import Seed
from spaces.architecture import Architecture
from spaces.failpoints import failpoint
from spaces.placements import baselines, label

# A fresh block is opened after so many trainings, and none smaller than that (DESIGN, section 6.3). Large budgets have
# larger blocks: more than so many average nothing out any more, and each is a column of the model.
BLOCK_SIZE, SMALLEST_BLOCK, MOST_BLOCKS = 32, 8, 32
SEARCH: tuple[Role, ...] = ("baseline", "search")
ROLES: tuple[Role, ...] = (*SEARCH, "confirm")

Row = tuple[Entry, Seed]


def used(ledger: Ledger, *roles: Role) -> int:
    """Trainings that count against the budget: all but the failed; a stopped one as the share of it that was done. Of all
    roles, unless some are named."""
    census, roles = ledger.census, roles or ROLES
    stopped = [t.metrics[SHARE] for role in roles for t in census.stopped[role].values()]
    return sum(census.counted[role] for role in roles) - len(stopped) + math.ceil(round(sum(stopped), 6))


class Planner:
    """Plans trainings in the ledger, one or a few at a time; ``budget`` counts all that do not fail, and of those that
    were stopped early the part that they had."""

    def __init__(
        self, ledger: Ledger, candidates: PricedSpace, proposer: Proposer, *, budget: int, rules: Rules
    ) -> None:
        self._ledger, self._candidates, self._proposer = ledger, candidates, proposer
        self._budget, self._rules = budget, rules
        self._has_limits = any(objective.limit is not None for objective in rules.objectives)
        if ledger.fact("sites") is None:  # the report looks at what architectures have in common
            sites = [{"name": s.name, "stage": s.stage, "channels": dict(s.channels)} for s in candidates.space.sites]
            ledger.note(sites=sites, space_size=candidates.space.size)

    def plan_next(self, *, search_is_over: bool) -> Training | None:
        """The next training, new in the ledger; None while the search must first end, or when all is planned."""
        if self.is_confirmed(search_is_over=search_is_over):
            return None
        wanted = self._used(*SEARCH) < self._search_target()
        if wanted and not search_is_over and (planned := self._plan_block() or self._plan_search()):
            return planned
        if self._ledger.census.is_open:
            return None
        early = "" if not wanted else "time" if search_is_over else "exhausted"
        return self._freeze(early)

    def is_confirmed(self, *, search_is_over: bool) -> bool:
        """The finalists of this budget are frozen: nothing more will be planned. A search that was ended before its budget
        was used goes on where it is given more of what ended it."""
        if not self._rounds():
            return False
        last = self._rounds()[-1]
        ended = last.get("early")
        if ended == "time" and search_is_over:
            return True
        return bool((last["of"] if ended == "exhausted" else last["budget"]) >= self._budget)

    # -- baselines --------------------------------------------------------------------------------------------------------

    def _plan_block(self) -> Training | None:
        """The fixed points of a block, when it is opened: plain and SE everywhere, at first also single stages. Where every
        training of plain failed in it, plain again: without it nothing of the block could be compared."""
        block, size = self._block(), min(self._block_size(), self._search_target() - self._used(*SEARCH))
        opened = self._ledger.census.planned[f"baseline {block}"] > 0
        plain, *others = baselines(self._candidates.space)
        if opened and self._has(plain, block):
            return None
        n_plain = self._n_plain(plain, size)
        others = [] if opened else others[: max(1, size // 2 - n_plain)] if block == 0 else others[:1]
        rows = self._rows([plain] * n_plain + others, block)
        return self._ledger.plan(rows, role="baseline", origin=f"baseline {block}")[0] if rows else None

    def _has(self, architecture: Architecture, block: int) -> bool:
        """It was or may yet be trained in a block."""
        entry, trainings = self._ledger.find(architecture.key), self._ledger.trainings
        numbers = reversed(self._ledger.census.of.get(entry.number, {})) if entry else ()
        return any(trainings[n].seed.block == block and trainings[n].state != "failed" for n in numbers)

    def _n_plain(self, plain: Architecture, size: int) -> int:
        """How often plain is trained in a block of a size. A table must also keep seeds of it for the confirmation."""
        wanted = max(2, round(math.sqrt(size)))
        if self._candidates.seeds is None:
            return wanted
        blocks = max(1, self._search_target() // self._block_size())
        return max(1, min(wanted, (len(self._candidates.seeds(plain)) - self._sizes().plain) // blocks))

    def _block(self) -> int:
        """The block that the search is in; the last one takes what would be too small for one of its own."""
        searched, target = self._used(*SEARCH), self._search_target()
        size = self._block_size()
        return min(searched // size, max(0, (target - SMALLEST_BLOCK) // size)) + self._blocks_before()

    def _block_size(self) -> int:
        return max(BLOCK_SIZE, math.ceil(self._search_target() / MOST_BLOCKS))

    def _blocks_before(self) -> int:
        """A run that was extended after a confirmation goes on in a fresh block."""
        return 1 + self._ledger.census.last_block["confirm"] if "confirm" in self._ledger.census.last_block else 0

    # -- search -----------------------------------------------------------------------------------------------------------

    def _plan_search(self) -> Training | None:
        number = len(self._ledger.trainings)
        found = self._proposer.ask(number, self._avoid(), self._known, self._block())
        if found is None:
            return self._plan_replicate()
        architecture, proposal = found
        failpoint("after_ask")
        rows = self._rows([architecture], self._block())
        return self._ledger.plan(rows, role="search", origin="sampler", proposal=proposal)[0]

    def _avoid(self) -> Callable[[Architecture], bool]:
        """What must not be proposed: what is barred, what failed or was stopped, and what was trained, unless the sampler
        replicates."""
        entries, census, again = self._ledger.entries, self._ledger.census, self._proposer.replicates
        block, spoilt = self._block(), {entries[number].key for number in +census.given_up}

        def is_tried(architecture: Architecture) -> bool:
            if again:
                return architecture.key in spoilt
            entry = self._ledger.find(architecture.key)
            return entry is not None and entry.number in census.of

        if self._candidates.seeds is None and not self._has_limits:
            return is_tried  # asked for every member of the space at every proposal

        def avoid(architecture: Architecture) -> bool:
            if is_tried(architecture) or self._is_barred(architecture):
                return True
            return again and self._is_used_up(architecture, block)

        return avoid

    def _is_used_up(self, architecture: Architecture, block: int) -> bool:
        """A table holds no further training of it; in a block that the table knows, none of that block, since what comes
        from another one would be compared with nothing."""
        if self._candidates.seeds is None:
            return False
        free = self._free_seed(architecture, block, set())
        known = any(seed.block == block for seed in self._candidates.seeds(architecture))
        return free is None or (known and free.block != block)

    def _plan_replicate(self) -> Training | None:
        """All of the space is trained: again from the least trained on, so that noise averages out."""
        census = self._ledger.census
        count = {
            e.number: len(census.of.get(e.number, ())) for e in self._ledger.entries if not census.given_up[e.number]
        }
        for number in sorted(count, key=lambda n: (count[n], n)):
            architecture = Architecture.parse(self._ledger.entries[number].key)
            rows = self._rows([architecture], self._block()) if self._is_allowed(architecture) else []
            if rows:
                return self._ledger.plan(rows, role="search", origin="replicate")[0]
        return None

    def _is_barred(self, architecture: Architecture) -> bool:
        """Over a limit, or without a seed in the table: not worth a worker."""
        if not self._is_allowed(architecture):
            return True
        return self._candidates.seeds is not None and not self._candidates.seeds(architecture)

    def _is_allowed(self, architecture: Architecture) -> bool:
        return not self._has_limits or excess(self._rules.objectives, self._candidates.price(architecture)) <= 0

    def _known(self, architecture: Architecture) -> float | None:
        """Mean accuracy of the finished trainings of an architecture."""
        done = [t for t in self._of(self._ledger.find(architecture.key)) if t.state == "finished"]
        return sum(t.metrics["val_accuracy"] for t in done) / len(done) if done else None

    # -- confirmation -------------------------------------------------------------------------------------------------------

    def _freeze(self, early: str) -> Training | None:
        """Ends the search: finalists are fixed and all their fresh trainings planned, in one transaction. ``early`` is
        what ended it before its budget was used: "time", or "exhausted", when nothing is left to train."""
        so_far = self._used()
        sizes = confirm.sizes(max(0, so_far - self._confirmed_budget()) * 4 // 3) if early else self._sizes()
        chosen = front.finalists(self._ledger, self._rules, sizes.finalists) if sizes.total else []
        names = [0] * sizes.plain + [number for number in chosen for _ in range(sizes.each)] if chosen else []
        fresh = 1 + max(self._ledger.census.last_block.values())
        rows = self._fresh_rows(names, fresh, sizes.blocks)
        budget = min(self._budget, so_far + sizes.total) if early else self._budget
        round_ = {"sizes": asdict(sizes), "finalists": chosen, "budget": budget, "of": self._budget, "early": early}
        origin = f"confirmation {len(self._rounds()) + 1}"
        planned = self._ledger.plan(rows, role="confirm", origin=origin, confirmations=[*self._rounds(), round_])
        return planned[0] if planned else None

    def _fresh_rows(self, names: Sequence[int], first_block: int, n_blocks: int) -> list[Row]:
        """Every finalist beside plain in each fresh block, interleaved, so that an early end leaves comparisons."""
        seen: dict[int, int] = {}
        rows: list[Row] = []
        for number in names:
            turn = seen[number] = seen.get(number, -1) + 1
            architecture = Architecture.parse(self._ledger.entries[number].key)
            rows += self._rows([architecture], first_block + turn % n_blocks, {(e.number, s) for e, s in rows})
        return sorted(rows, key=lambda row: (row[1].replicate, row[1].block))

    def _sizes(self) -> Sizes:
        """A quarter of what this budget adds to the last one that was confirmed; small extensions add up."""
        return confirm.sizes(self._budget - self._confirmed_budget())

    def _confirmed_budget(self) -> int:
        return next((int(r["budget"]) for r in reversed(self._rounds()) if r["finalists"]), 0)

    def _search_target(self) -> int:
        return self._budget - self._used("confirm") - self._sizes().total

    def _rounds(self) -> list[dict[str, Any]]:
        return self._ledger.fact("confirmations") or []

    # -- rows ---------------------------------------------------------------------------------------------------------------

    def _used(self, *roles: Role) -> int:
        return used(self._ledger, *roles)

    def _rows(
        self, architectures: Sequence[Architecture], block: int, taken: set[tuple[int, Seed]] | None = None
    ) -> list[Row]:
        """Entries and seeds for trainings in a block; an architecture for which no seed is left is left out."""
        taken, rows = set(taken or ()), []
        for architecture in architectures:
            entry = self._enter(architecture)
            seed = self._free_seed(architecture, block, {s for number, s in taken if number == entry.number})
            if seed is not None:
                taken.add((entry.number, seed))
                rows.append((entry, seed))
        return rows

    def _free_seed(self, architecture: Architecture, block: int, taken: set[Seed]) -> Seed | None:
        """The next replicate in the block; from a table, a seed it holds, of that block if it can be."""
        used = taken | {t.seed for t in self._of(self._ledger.find(architecture.key))}
        if self._candidates.seeds is None:
            return next(s for s in (Seed(block, r) for r in range(len(used) + 1)) if s not in used)
        offered = [seed for seed in self._candidates.seeds(architecture) if seed not in used]
        return min(offered, key=lambda seed: (seed.block != block, seed), default=None)

    def _of(self, entry: Entry | None) -> list[Training]:
        """All trainings of an architecture."""
        return (
            [self._ledger.trainings[number] for number in self._ledger.census.of.get(entry.number, ())] if entry else []
        )

    def _enter(self, architecture: Architecture) -> Entry:
        return self._ledger.enter(
            architecture.key, label(architecture, self._candidates.space.sites), self._candidates.price(architecture)
        )
