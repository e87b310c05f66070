"""The searcher and the scheduler of Ray Tune: both only pass on between Tune and the loop.

They stand at module level, so that Ray's pickles name them and hold nothing of ours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from search.execute.ray import checkpoint_sender, gpu_health
from search.execute.ray.cluster import Nodes
from search.execute.ray.gpu_health import GpuHealth
from search.execute.ray.tune_slot import BARRED, BARRED_GPUS, SENT
from search.execute.remote_store import RemoteCopy, RemoteStore, unreadable
from search.loop import Loop
from search.state import failures, result_files
from search.state.failures import HANG, LOST, WORKER_DIED
from search.state.records import Outcome, Progress
from search.state.run_folder import MAKE_ROOM
from senet_nas.training import checkpoint
from spaces.errors import ENVIRONMENT, UserError

# Parts of Ray's messages about an actor that went with its node, and about one that could not be made on it.
NODE_DIED = "its node has died"
NOT_STARTED = "raised in its creation task"
# Words of parked slots in a row, with nothing else running, after which all GPUs count as barred.
_IDLE_WORDS = 5


class LoopSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune the trainings that the loop asks for, and the loop what Tune reports.

    After ``length`` trials it has no more, until :meth:`begin_segment`. ``error`` is the first error of the loop, which
    Tune must not see: it would end in Tune's log.
    """

    def __init__(
        self,
        loop: Loop,
        trainings: Path,
        length: int,
        nodes: Nodes | None = None,
        store: RemoteStore | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._trainings = trainings
        self._length = length
        self._nodes = nodes
        self._store = store
        self._uid: dict[str, str] = {}
        self._error: dict[str, str] = {}
        self._begun = 0
        self._sender: Any = None
        self._say = say
        self._gpus = GpuHealth()
        self._idle_words = 0
        self.error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher into a folder of its own; ours keeps nothing there

    def begin_segment(self) -> bool:
        """Whether there is more to do in another experiment of Tune."""
        is_over = self._begun < self._length or self.error is not None or self._loop.is_complete
        self._begun = 0
        return not is_over

    def suggest(self, trial_id: str) -> Any:
        if self._begun >= self._length:
            return Searcher.FINISHED
        with self._keeping_errors():
            assignment = self._loop.next()
            if assignment is not None:
                # An earlier attempt may have sent a result here from another machine.
                result_files.discard(self._trainings, assignment.uid)
                self._uid[trial_id] = assignment.uid
                self._begun += 1
                cluster = {BARRED: self._nodes.refused, SENT: self._sends(assignment.uid)} if self._nodes else {}
                barred = {BARRED_GPUS: self._gpus.barred}
                return {**asdict(assignment), "seed": str(assignment.seed), **barred, **cluster}
        # None makes Tune wait, forever if nothing runs that could change the answer.
        return None if self._loop.is_running and self.error is None else Searcher.FINISHED

    def continues(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Reports an epoch to the loop. False if the loop ends the training, which is then forgotten here."""
        if "parked" in result:
            return self._stays_parked(trial_id, result["parked"])
        self._idle_words = 0
        if "epoch" not in result:
            return True
        continues = True
        with self._keeping_errors():
            uid = self._uid[trial_id]
            continues = self._loop.report(uid, Progress(result["epoch"], dict(result["metrics"])))
            if not continues:
                del self._uid[trial_id]
                self._remove_checkpoint(uid)
        return continues

    def ended(self, trial_id: str, error: str) -> None:
        """A trial ended with an error of Ray's. It comes before :meth:`on_trial_complete`."""
        self._error[trial_id] = error

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        uid = self._uid.pop(trial_id, None)
        message = self._error.pop(trial_id, "")
        if uid is not None:
            with self._keeping_errors():
                self._take(uid, result or {}, message)

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text("{}")

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a run is resumed from its ledger, never from Tune")

    # -- inside -------------------------------------------------------------------------------------------------------

    def _sends(self, uid: str) -> bool:
        """Whether a node that does not see the run folder gets the checkpoint of a training from here."""
        if self._store is not None or not checkpoint.epochs(self._trainings / uid):
            return False
        self._sender = self._sender or checkpoint_sender.start(self._trainings)
        return True

    def _stays_parked(self, trial_id: str, gpu: str) -> bool:
        """Gives the training of a slot whose GPU is barred back. The slot stays as long as it is, and others train.

        If no other does, all GPUs are barred: the search ends with an error.
        """
        uid = self._uid.pop(trial_id, None)
        with self._keeping_errors():
            if uid is not None:
                self._loop.lost(uid, f"GPU {gpu} is barred, because it failed", reason=LOST)
            self._idle_words = 0 if self._loop.is_running else self._idle_words + 1
            is_over = self._loop.is_complete or self._loop.is_stopping
            if self._idle_words > _IDLE_WORDS and not is_over:
                raise UserError(
                    f"no GPU is left that works: {', '.join(self._gpus.barred)}",
                    hint=f"{failures.kind(failures.GPU_FAILED).remedy}; finished trainings are kept, and the same "
                    "command continues",
                    code=ENVIRONMENT,
                )
        is_barred = gpu in self._gpus.barred
        return is_barred and self.error is None and (self._loop.is_running or self._idle_words <= _IDLE_WORDS)

    def _take(self, uid: str, result: dict[str, Any], error: str) -> None:
        """Passes the end of a training on. Raises UserError (code ENVIRONMENT) if its worker's disk is full."""
        if "disk" in result:
            raise UserError(f"cannot write {result['disk']}", hint=MAKE_ROOM, code=ENVIRONMENT)
        if "lacking" in result and self._nodes is not None:
            self._nodes.refuse(result["node"], result["lacking"])
            self._loop.lost(uid, f"the node does not fit: {result['lacking']}", reason=LOST)
            return
        outcome = self._outcome(uid, result)
        if outcome is not None and not outcome.failure and result.get("gpu"):
            self._gpus.worked(result["gpu"])
            self._tell_of_gpus()
        if outcome is None:
            self._lose(uid, error)
        elif self._is_here(uid, outcome, result):
            self._loop.finish(uid, outcome)
            if outcome.paused and not self._loop.needs_checkpoint(uid):  # it was stopped early where it would pause
                self._remove_checkpoint(uid)
        else:
            result_files.discard(self._trainings, uid)
            self._loop.lost(uid, "its weights did not come whole", reason=LOST)

    def _outcome(self, uid: str, result: dict[str, Any]) -> Outcome | None:
        """The outcome that a worker sent or left."""
        if "outcome" in result:
            return result_files.decode(uid, result["outcome"])
        return result_files.adopt(self._trainings, uid)

    def _lose(self, uid: str, error: str) -> None:
        """Tells the loop of a training whose worker ended without a result."""
        traceback = result_files.hung(self._trainings, uid)
        told = gpu_health.told(error)
        if traceback:
            self._loop.lost(uid, traceback, reason=HANG)
        elif told is not None:
            gpu, detail = told
            self._loop.lost(uid, f"{detail} (GPU {gpu})", reason=failures.GPU_FAILED)
            self._gpus.failed(gpu, uid)
            self._tell_of_gpus()
        else:
            detail, reason = _why(error)
            self._loop.lost(uid, detail, reason=reason)

    def _tell_of_gpus(self) -> None:
        for gpu in self._gpus.news():
            self._say(f"GPU {gpu} failed {gpu_health.FAILURES} times in a row and gets no other training")

    def _is_here(self, uid: str, outcome: Outcome, result: dict[str, Any]) -> bool:
        """Takes in the files of a training on another machine. False if its weights did not come whole.

        The result is written last, so that it never stands here without its weights. Raises UserError (code
        ENVIRONMENT) if the store does not answer.
        """
        files = dict(result.pop("files", ()))
        if not files:
            return True  # the worker wrote them here itself
        text = files.pop(result_files.RESULT)
        result_files.receive(self._trainings, uid, files)
        has_weights = result_files.has_weights(self._trainings, uid, outcome)
        if self._store is not None and result.get("stored") and not has_weights:
            self._fetch_weights(self._store, uid)
            has_weights = result_files.has_weights(self._trainings, uid, outcome)
        if has_weights:
            result_files.receive(self._trainings, uid, {result_files.RESULT: text})
            if not outcome.paused:
                checkpoint.remove(self._trainings / uid)  # of its last pause
        return has_weights

    def _fetch_weights(self, store: RemoteStore, uid: str) -> None:
        try:
            store.fetch(uid, result_files.BESIDE_RESULT, self._trainings / uid)
        except (OSError, ValueError) as error:
            raise unreadable(store, error) from error

    def _remove_checkpoint(self, uid: str) -> None:
        checkpoint.remove(self._trainings / uid)
        if self._store is not None:
            RemoteCopy(self._store, uid, self._trainings / uid).discard()

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        """Keeps the first error of the loop for drive(), which raises it once Tune has stopped."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            self._loop.stop()


class EarlyStops(FIFOScheduler):  # type: ignore[misc]
    """First come, first served. A training continues for as long as the loop says.

    Tune asks its scheduler after each epoch, and its searcher only about trials that continue.

    A slot that waits for the others, as before a confirmation, keeps its process. Tune would end all but one: a new one
    takes seconds to start, and if trainings are shorter, each one that ends takes the next from a process that is
    starting, which Tune then ends. So one slot worked, and the others started in vain. ``slots`` is their number, None
    where as many trainings run as fit onto a cluster: Tune then does as it likes.
    """

    def __init__(self, searcher: LoopSearcher, slots: int | None) -> None:
        super().__init__()
        self._searcher = searcher
        self._slots = slots
        self._kept: set[Any] = set()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        resources = trial.placement_group_factory
        if resources not in self._kept:
            self._kept.add(resources)
            cache = getattr(tune_controller, "_actor_cache", None)  # private: without it a search is slower, and right
            if cache is not None and self._slots is not None:
                cache.increase_max(resources, by=self._slots)
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(self.CONTINUE if self._searcher.continues(trial.trial_id, result) else self.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        path = Path(trial.error_file) if trial.error_file else None  # Tune has just written it
        message = path.read_text(errors="replace") if path and path.exists() else ""
        self._searcher.ended(trial.trial_id, message)
        super().on_trial_error(tune_controller, trial)


def _why(error: str) -> tuple[str, str]:
    """Detail and reason of a training whose worker ended without a result, from Ray's message."""
    if NODE_DIED in error:
        return "its node left the cluster", LOST
    if NOT_STARTED in error:
        return f"its worker did not start: {error.strip()[-1000:]}", failures.NOT_STARTED
    return "its process ended without a word; most often the machine ran out of memory", WORKER_DIED
