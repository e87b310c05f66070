"""Results that workers left on disk, or in a remote store, and that were not committed to the ledger."""

from collections.abc import Sequence
from pathlib import Path

from search.execute.remote_store import RemoteStore, unreadable
from search.state import result_files
from search.state.records import Outcome
from search.state.run_folder import shown
from senet_nas.training import checkpoint
from spaces.text import plural


class LeftResults:
    """Finds the results of interrupted trainings. ``store`` is where a cluster keeps them, if it does."""

    def __init__(self, trainings: Path, store: RemoteStore | None) -> None:
        self._trainings = trainings
        self._store = store

    def adopt(self, uid: str) -> Outcome | None:
        """The result of a training, from here or from the store.

        Raises UserError (code ENVIRONMENT) if the store does not answer.
        """
        outcome = result_files.adopt(self._trainings, uid)
        if outcome is not None or self._store is None:
            return outcome
        try:
            self._store.fetch(uid, result_files.KEPT, self._trainings / uid)
        except (OSError, ValueError) as error:
            raise unreadable(self._store, error) from error
        return result_files.adopt(self._trainings, uid)

    def has_checkpoint(self, uid: str) -> bool:
        """Whether a training may continue from a checkpoint, here or in the store."""
        return self._store is not None or checkpoint.epochs(self._trainings / uid) > 0

    def kept_words(self, uids: Sequence[str]) -> str:
        """What the checkpoints of paused trainings take on this disk; empty if there are none.

        They stay when the budget is used: an extension continues from them, so that each epoch counts once.
        """
        kept = [self._trainings / uid for uid in uids if checkpoint.names(self._trainings / uid)]
        size = sum((folder / name).stat().st_size for folder in kept for name in checkpoint.names(folder))
        if not kept:
            return ""
        count = plural(len(kept), "paused training")
        verb, them = ("keeps its checkpoint", "it") if len(kept) == 1 else ("keep their checkpoints", "them")
        where = f"{max(size / 1e6, 0.1):.1f} MB in {shown(self._trainings)}"
        return f"{count} {verb} ({where}), so that an extension can continue {them}"

    def adopt_here(self, uid: str) -> Outcome | None:
        """The result that a worker left here while it was ended; the next session looks at one that cannot be read."""
        try:
            return result_files.adopt(self._trainings, uid)
        except (OSError, ValueError):
            return None
