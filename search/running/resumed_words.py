"""What a session says when it goes on: what earlier ones leave to it, and what continues or starts again."""

from collections.abc import Callable, Sequence

from search.state.ledger import Ledger
from search.state.records import OPEN
from search.state.shared_facts import SHARED_UID, SharedNetworkFact
from search.state.so_far import SoFar, worth
from spaces.text import plural


def resumed_words(done: SoFar, ledger: Ledger, has_checkpoint: Callable[[str], bool]) -> str:
    """One line; empty if there is nothing yet. ``has_checkpoint`` says of a uid whether it may continue from one."""
    begun = [training.uid for training in ledger.trainings if training.state in OPEN and training.attempts]
    waits = done.shared is not None and done.shared.state == "waiting" and done.shared.attempts > 0
    kept = _kept(done, len(ledger.counts.paused))
    again = _again(begun, has_checkpoint) + _shared_again(done.shared if waits else None, has_checkpoint)
    lost = sum(not has_checkpoint(training.uid) for training in ledger.counts.paused.values())
    parts = [f"{_listed(kept)} kept"] if kept else []
    parts += [_listed(again)] if again else []
    if lost and parts:
        parts.append(_lost(lost))
    return f"going on: {'; '.join(parts)}" if parts else ""


# -- inside -----------------------------------------------------------------------------------------------------------


def _kept(done: SoFar, paused: int) -> list[str]:
    """What has ended or paused."""
    found = [plural(done.finished, "finished training")] if done.finished else []
    if paused:
        found.append(f"{plural(paused, 'paused training')} {worth(done.worth['paused'])}")
    if done.shared is not None and done.shared.state == "finished":
        found.append("the shared network")
    return found


def _again(begun: Sequence[str], has_checkpoint: Callable[[str], bool]) -> list[str]:
    """The trainings that were interrupted."""
    continuing = sum(map(has_checkpoint, begun))
    found = []
    if continuing:
        verb = "continues from its checkpoint" if continuing == 1 else "continue from their checkpoints"
        found.append(f"{plural(continuing, 'interrupted training')} {verb}")
    if again := len(begun) - continuing:
        found.append(f"{plural(again, 'interrupted training')} {'starts' if again == 1 else 'start'} again")
    return found


def _shared_again(fact: SharedNetworkFact | None, has_checkpoint: Callable[[str], bool]) -> list[str]:
    """The shared network, if it was interrupted."""
    if fact is None:
        return []
    if has_checkpoint(SHARED_UID):
        return [f"the shared network continues from its checkpoint (epoch {min(fact.epoch, fact.epochs)})"]
    return ["the shared network starts again"]


def _lost(count: int) -> str:
    """Earlier versions removed the checkpoints of paused trainings when the budget was used."""
    if count == 1:
        return "1 paused training has no checkpoint: if it continues, its epochs are repeated and not counted"
    return f"{count} paused trainings have no checkpoint: if one continues, its epochs are repeated and not counted"


def _listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
