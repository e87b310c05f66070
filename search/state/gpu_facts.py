"""The GPUs that trained: their names are a fact of the run, and each training has the number of its own.

A ledger's row holds numbers, so the column ``gpu`` of a training is a place in the list of names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Outcome, Training

COLUMN = "gpu"


def with_number(ledger: Ledger, outcome: Outcome) -> Mapping[str, float]:
    """The metrics of an outcome with the number of its GPU. A name that the run has not met is noted."""
    if not outcome.gpu:
        return outcome.metrics
    names = ledger.facts.gpus or ()
    if outcome.gpu not in names:
        names = (*names, outcome.gpu)
        ledger.note(Facts(gpus=names))
    return {**outcome.metrics, COLUMN: float(names.index(outcome.gpu))}


def name_of(training: Training, names: Sequence[str]) -> str:
    """The GPU of a training; empty if it is not known."""
    number = training.metrics.get(COLUMN)
    return names[int(number)] if number is not None and 0 <= number < len(names) else ""


def counted(trainings: Iterable[Training], names: Sequence[str]) -> dict[str, int]:
    """How many trainings ran on each kind of GPU, the most frequent first."""
    found = Counter(name_of(training, names) for training in trainings)
    del found[""]
    return dict(found.most_common())
