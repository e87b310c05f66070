"""A run folder as it was found, and the form of a check of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from search.config import Experiment
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder

# A problem and its remedy.
Findings = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """A run folder as it was found.

    ``experiment`` is None if the run has no config. ``is_held``: a driver works on the run.
    """

    place: RunFolder
    ledger: Ledger
    facts: Facts
    experiment: Experiment | None
    is_held: bool


@dataclass(frozen=True)
class Check:
    """An invariant: its name, and what it says in ``words``.

    ``find`` yields what breaks it, and ``note`` what breaks nothing but is good to know; ``skip`` says why it does not
    apply now, or is empty.
    """

    name: str
    words: str
    find: Callable[[Case], Findings]
    skip: Callable[[Case], str] = lambda case: ""
    note: Callable[[Case], Findings] = lambda case: iter(())
