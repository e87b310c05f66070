"""MLflow tracks a run while it goes on: a projection of the ledger that can be sent again at any time.

Only the driver writes, from a thread of its own, so that a slow or dead server never delays a training. What could not
be sent is said once, at once, and counted at the end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.config.config_error import redacted
from search.results.result import Front
from search.state.facts import HistoryStep
from search.state.records import Entry, Training
from search.state.shared_facts import SharedNetworkFact
from search.track import projection
from search.track.client import error_line, sync_command
from search.track.sender import Sender
from spaces.errors import ENVIRONMENT, UserError
from spaces.spec import Site


class Tracker:
    """Projects one run. Every method returns at once; :meth:`close` waits until all is sent, but not for ever.

    ``uid`` tells the run from others of its name, also from one whose folder was deleted. With the backbone's ``sites``
    each child has a param for each stage, by which MLflow can group and plot. ``began`` is when the run began, in
    seconds since the epoch; None is now. ``say`` hears of the first problem, at once and from the thread.
    """

    def __init__(
        self,
        uri: str,
        *,
        experiment: str,
        run: str,
        runs: Path,
        describe: Mapping[str, Any],
        uid: str = "",
        sites: Sequence[Site] = (),
        began: float | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._uri = uri
        self._run = run
        self._runs = runs
        self._say = say
        self._sender = Sender(
            uri, experiment=experiment, run=run, runs=runs, describe=describe, uid=uid, sites=sites, began=began
        )
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._queue.put(self._sender.open)
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._problems: list[str] = []
        self._heard = 0
        self._trouble = ""

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the experiment; empty before the store was opened."""
        return self._sender.experiment_id

    @property
    def trouble(self) -> str:
        """Why MLflow lacks something of this run, with what helps; empty if it has all. Final after :meth:`close`."""
        return self._trouble

    def start(self) -> None:
        """Begins to send; what came before waits until now."""
        self._thread.start()

    def training(self, training: Training, entry: Entry) -> None:
        """What became of a training. What was sent before is not sent again, so all of a ledger may be passed."""
        self._queue.put(lambda: self._sender.training(training, entry))

    def found(self, front: Front) -> None:
        """What a run has found so far."""
        self._queue.put(lambda: self._sender.found(front))

    def shared_network(self, fact: SharedNetworkFact) -> None:
        """What became of the shared network. Once its end was sent, nothing of it is sent again."""
        self._queue.put(lambda: self._sender.shared_network(fact))

    def system(self, numbers: Mapping[str, float], at: float) -> None:
        """What the machine did at a second since the epoch. A projection of the ledger cannot send it again."""
        self._queue.put(lambda: self._sender.system(numbers, at))

    def close(
        self,
        front: Front | None,
        folder: Path,
        trainings: Sequence[Training],
        *,
        status: str,
        timeout: float = 60.0,
        history: Sequence[HistoryStep] = (),
    ) -> list[str]:
        """Sends the result, ends the run with FINISHED, KILLED or FAILED; returns the problems that were not yet said.

        Waits at most ``timeout`` seconds.
        """
        if not self._thread.is_alive():
            return self._problems[self._heard :]
        if front is not None:
            self._queue.put(lambda: self._sender.front(front, trainings, history))
            self._queue.put(lambda: self._sender.files(folder))
            self._queue.put(lambda: self._sender.weights(folder, projection.carriers(front, trainings)))
        self._queue.put(lambda: self._sender.end(status))
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            late = f"{self._queue.qsize()} messages were not sent within {timeout:.0f} s"
            self._problems.append(late)
            self._trouble = self._trouble or f"{late}; {self._remedy}"
        return self._problems[self._heard :]

    def rebuild(
        self,
        front: Front | None,
        folder: Path,
        trainings: Sequence[Training],
        entries: Sequence[Entry],
        *,
        status: str,
        history: Sequence[HistoryStep] = (),
        shared: SharedNetworkFact | None = None,
    ) -> int:
        """Sends at once, in this thread, what the store lacks or has wrong; returns how many trainings that were.

        Use it instead of :meth:`start`. Raises UserError (ENVIRONMENT) at the first message that does not arrive.
        """
        try:
            self._sender.open()
            count = self._sender.mend(trainings, entries)
            if shared is not None:
                self._sender.shared_network(shared)
            if front is not None:
                self._sender.front(front, trainings, history)
                self._sender.files(folder)
                self._sender.weights(folder, projection.carriers(front, trainings))
            self._sender.end(status, max((t.ended for t in trainings if t.ended), default=None))
        except UserError:
            raise
        except Exception as error:  # each store throws what its own client throws
            raise UserError(
                f"cannot send to MLflow at {redacted(self._uri)}: {error_line(error)}",
                hint="the ledger keeps everything: type it again when the store is there "
                "(a damaged file can be moved away)",
                code=ENVIRONMENT,
            ) from error
        return count

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job()
            except Exception as error:
                # Tracking must never end a search; the user hears of it once.
                self._note(error_line(error), has_remedy=isinstance(error, UserError))
            if not self._sender.is_open:
                return  # the store could not be opened, so nothing can be sent

    def _note(self, problem: str, *, has_remedy: bool) -> None:
        if problem not in self._problems:
            self._problems.append(problem)
        if not self._heard:
            self._heard = 1
            self._trouble = problem if has_remedy else f"{problem}; {self._remedy}"
            remedy = "" if has_remedy else f", {self._remedy}"
            self._say(f"MLflow: {problem}; the search goes on{remedy}")

    @property
    def _remedy(self) -> str:
        return f"`{sync_command(self._run, self._runs)}` sends what is missing"
