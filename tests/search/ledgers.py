"""Gives every test its ledgers: architectures with what they cost, and trainings that ended as the test says.

All tests write ledgers through these functions, so a change of the ledger changes this file and no test. Architecture 0
is plain; the others have one SE block each, on two sites of a network called ``net``.
"""

from collections.abc import Iterable, Mapping, Sequence

from search.results.confirmations import origin
from search.results.paired_test import CANDIDATE_SHARE, LEVEL, looks_at
from search.state.confirmation_facts import PairPlan
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Entry, Outcome, Role, Training
from senet_nas.recipe import Seed
from spaces.architecture import Architecture

PLAIN = "net/-/-"


def key(number: int) -> str:
    """The text of architecture ``number``: plain for 0, else an SE block of that hidden width on the second site."""
    return PLAIN if number == 0 else f"net/-/avg:fc{number}:sigmoid@pre_addition"


def price(overhead: float = 0.0, **measures: float) -> dict[str, float]:
    """What an architecture costs: ``overhead`` is in percent of plain's parameters, ``measures`` replaces the rest."""
    usual = {"params": 100.0 + overhead, "params_overhead": overhead, "macs": 1e6, "macs_overhead": overhead / 10}
    return {**usual, **measures}


def enter(
    ledger: Ledger,
    overheads: Sequence[float] = (0.0, 5.0),
    *,
    keys: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    **measures: float,
) -> list[Entry]:
    """New entries, one for each overhead, with these keys and names or with their own; plain is the first of a run."""
    entries = []
    for place, overhead in enumerate(overheads):
        number = len(ledger.entries)
        name = "plain" if number == 0 else f"placement {number}"
        entry = ledger.enter(
            Architecture.parse(keys[place] if keys else key(number)),
            names[place] if names else name,
            price(overhead, **measures),
        )
        entries.append(entry)
    return entries


def ended(accuracy: float, curve: Sequence[Mapping[str, float]] = (), **metrics: float) -> Outcome:
    """The outcome of a training that finished with ``accuracy`` percent and logged ``metrics``."""
    return Outcome({"val_accuracy": accuracy, **metrics}, curve)


def failed(reason: str = "diverged", detail: str = "", curve: Sequence[Mapping[str, float]] = ()) -> Outcome:
    """The outcome of a training that failed."""
    return Outcome(curve=curve, failure=reason, detail=detail)


def end(ledger: Ledger, training: Training, outcome: Outcome) -> Training:
    """Writes the outcome of a running training, as the loop does."""
    if outcome.failure:
        return ledger.fail(training.uid, reason=outcome.failure, detail=outcome.detail, curve=outcome.curve)
    return ledger.finish(
        training.uid,
        metrics=outcome.metrics,
        curve=outcome.curve,
        correct=outcome.correct,
        weights=outcome.weights,
    )


def play(
    ledger: Ledger,
    rows: Iterable[tuple[Entry, Seed]],
    outcomes: Iterable[Outcome | None],
    *,
    role: Role = "search",
    origin: str = "sampler",
) -> list[Training]:
    """Plans a training for each row, starts and ends it as its outcome says; None leaves it running."""
    planned = ledger.plan(list(rows), role=role, origin=origin)
    for training, outcome in zip(planned, outcomes, strict=True):
        ledger.start(training.uid)
        if outcome is not None:
            end(ledger, training, outcome)
    return [ledger.get(training.uid) for training in planned]


def train(
    ledger: Ledger,
    entry: Entry,
    accuracies: Iterable[float],
    *,
    block: int = 0,
    role: Role = "search",
    origin: str = "sampler",
    **metrics: float,
) -> list[Training]:
    """Finished trainings of an architecture, one for each accuracy in percent, with new seeds of one seed block."""
    outcomes = [ended(accuracy, **metrics) for accuracy in accuracies]
    used = [t.seed for t in ledger.trainings if t.architecture == entry.number and t.seed.block == block]
    rows = [(entry, Seed(block, len(used) + i)) for i in range(len(outcomes))]
    return play(ledger, rows, outcomes, role=role, origin=origin)


FIRST_LEVEL = LEVEL * CANDIDATE_SHARE  # of the first candidate of a run


def confirm(
    ledger: Ledger,
    number: int,
    gains: Sequence[float | None],
    *,
    pairs: int | None = None,
    level: float = FIRST_LEVEL,
    budget: int = 64,
    how: str = "",
) -> PairPlan:
    """A confirmation in pairs of architecture ``number`` whose first pairs have these gains; None loses a training.

    It is planned with so many ``pairs``, or as many as there are gains, and has ended as ``how`` says. Plain reaches
    95 % in its first pair, 95.1 % in the next, and so on.
    """
    before = ledger.facts.pair_plans or ()
    count = len(ledger.facts.confirmations or ()) + len(before) + 1
    first = 1 + max(ledger.counts.last_block.values())
    pairs = pairs or len(gains)
    rows = [(ledger.entries[n], Seed(first + i)) for i in range(len(gains)) for n in (number, 0)]
    levels = [95 + i / 10 for i in range(len(gains))]
    outcomes = [
        failed() if n and gain is None else ended(level + (gain or 0.0) * n)
        for gain, level in zip(gains, levels, strict=True)
        for n in (1, 0)
    ]
    plan = PairPlan((number,) * pairs, looks_at(pairs), level, budget, first, len(gains), how)
    ledger.note(Facts(pair_plans=(*before, plan)))
    if rows:
        play(ledger, rows, outcomes, role="confirm", origin=origin(count))
    return plan
