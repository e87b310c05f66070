"""Results that workers left on disk, or in a remote store, and that were not committed to the ledger."""

from collections.abc import Iterable
from pathlib import Path

from search.execute.remote_store import RemoteCopy, RemoteStore, unreadable
from search.state import result_files
from search.state.records import Outcome
from senet_nas.training import checkpoint


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

    def drop_checkpoints(self, uids: Iterable[str]) -> None:
        """Removes the checkpoints of paused trainings, here and in the store: the run has ended without them.

        If the run is extended and one of them continues, it starts again.
        """
        for uid in uids:
            checkpoint.remove(self._trainings / uid)
            if self._store is not None:
                RemoteCopy(self._store, uid, self._trainings / uid).discard()

    def adopt_here(self, uid: str) -> Outcome | None:
        """The result that a worker left here while it was ended; the next session looks at one that cannot be read."""
        try:
            return result_files.adopt(self._trainings, uid)
        except (OSError, ValueError):
            return None
