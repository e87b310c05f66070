"""The classes that Ray Tune knows us by. All only pass on: to the loop, and to the training.

They stand at module level, so that Ray's pickles name them and hold nothing of ours.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from search.execute.evaluator import Evaluator
from search.execute.ray.cluster import NODE_ID, Needs, Nodes
from search.execute.remote_store import Shelf, Store, unreadable
from search.execute.worker import work
from search.loop import Loop
from search.state.failures import HANG, LOST, WORKER_DIED
from search.state.records import Assignment, Outcome, Progress
from search.state.result_files import (
    KEPT,
    RESULT,
    WEIGHTS,
    adopt,
    carry,
    decode,
    discard,
    encode,
    has_weights,
    hung,
    receive,
)
from search.state.run_folder import MAKE_ROOM, RunFolder
from senet_nas.recipe import Seed
from senet_nas.training import checkpoint
from spaces.errors import ENVIRONMENT, UserError

# Short epochs are told together: a report costs the driver about 10 ms of a core that may train.
REPORT_SECONDS = 2.0
# In the config of a trial: nodes that must not get it.
BARRED = "barred"
# How Ray begins to say that an actor went with its node, or that its class could not be made there.
NODE_DIED, NOT_STARTED = "its node has died", "raised in its creation task"


@dataclass(frozen=True)
class Abroad:
    """What a worker must know that may be on another machine than the driver. ``store``: where trainings keep what they
    leave, besides their folder on the node."""

    needs: Needs
    store: Store | None


def request(config: dict[str, Any], cpus: int, gpus: float) -> tune.PlacementGroupFactory:
    """What a trial asks of the cluster: its share of a node, and none of those that do not fit."""
    barred = config[BARRED]
    where = {"bundle_label_selector": [{NODE_ID: f"!in({','.join(barred)})"}]} if barred else {}
    return tune.PlacementGroupFactory([{"CPU": cpus, "GPU": gpus}], **where)


class Slot(tune.Trainable):  # type: ignore[misc]
    """A slot of the search: one trial is one training, one step the epochs of about two seconds."""

    def setup(
        self, config: dict[str, Any], *, evaluate: Evaluator, trainings: Path, abroad: Abroad | None,
        rungs: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self._evaluate, self._trainings, self._abroad, self._rungs = evaluate, trainings, abroad, rungs
        self._lacking = abroad.needs.lacking() if abroad else ""
        self._is_apart = abroad is not None and not abroad.needs.is_shared()
        # Only where the driver's folder cannot be: a network disk may show what was just written to it a little late.
        self._cleans = self._is_apart and not RunFolder(trainings.parent).exists
        self._uid = ""
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if self._lacking:  # it joined after all nodes were asked
            return {"lacking": self._lacking, "node": _node(), tune.result.DONE: True}
        until = time.monotonic() + REPORT_SECONDS
        try:
            item = next(self._work)
            # At a rung it is decided whether a training goes on: the driver must hear of it.
            while not isinstance(item, Outcome) and item.epoch not in self._rungs and time.monotonic() < until:
                item = next(self._work)
        except OSError as error:
            return {"disk": f"{error.filename or self._trainings}: {error.strerror}", tune.result.DONE: True}
        if isinstance(item, Outcome):
            return {"outcome": encode(self._uid, item), **self._left(), tune.result.DONE: True}
        return {"epoch": item.epoch, "accuracy": item.accuracy, tune.result.DONE: False}

    def _begin(self, config: dict[str, Any]) -> None:
        if self._cleans and self._uid not in ("", config["uid"]):
            # The driver has what the last one left, or it would not send another.
            shutil.rmtree(self._trainings / self._uid, ignore_errors=True)
        given = {name: value for name, value in config.items() if name != BARRED}
        assignment = Assignment(**{**given, "seed": Seed.parse(given["seed"])})
        self._uid, store = assignment.uid, self._abroad.store if self._abroad else None
        self._shelf = Shelf(store, self._uid, self._trainings / self._uid) if store else None
        self._work: Iterator[Progress | Outcome] = work(
            assignment, self._evaluate, self._trainings, prepare=self._evaluate.prepare, shelf=self._shelf
        )

    def _left(self) -> dict[str, Any]:
        """What the driver needs of a training that has ended: its files, or that they are in the store. As a list: Tune takes
        mappings within a result apart."""
        if self._shelf is not None and self._shelf.end(*KEPT):
            return {"files": [*carry(self._trainings, self._uid, [RESULT]).items()], "stored": True}
        return {"files": [*carry(self._trainings, self._uid).items()] if self._is_apart else []}


class LoopSearcher(Searcher):  # type: ignore[misc]
    """Tune asks it for trials, it asks the loop; what Tune tells it, it tells the loop. After ``length`` trials it has no
    more, until :meth:`begin_segment`.
    """

    def __init__(
        self, loop: Loop, trainings: Path, length: int, nodes: Nodes | None = None, store: Store | None = None
    ) -> None:
        super().__init__()
        self._loop, self._trainings, self._length = loop, trainings, length
        self._nodes, self._store = nodes, store
        self._uid: dict[str, str] = {}
        self._error: dict[str, str] = {}
        self._begun = 0
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
                discard(self._trainings, assignment.uid)  # what an earlier attempt sent here from another machine
                self._uid[trial_id] = assignment.uid
                self._begun += 1
                barred = {BARRED: self._nodes.refused} if self._nodes else {}
                return {**asdict(assignment), "seed": str(assignment.seed), **barred}
        # None makes Tune wait: for ever, if nothing runs that could change the answer.
        return None if self._loop.is_running and self.error is None else Searcher.FINISHED

    def goes_on(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Reports an epoch to the loop. False where the loop has ended the training; it is then known no more."""
        if "epoch" not in result:
            return True
        goes_on = True
        with self._keeping_errors():
            uid = self._uid[trial_id]
            goes_on = self._loop.report(uid, Progress(result["epoch"], result["accuracy"]))
            if not goes_on:
                del self._uid[trial_id]
                checkpoint.remove(self._trainings / uid)
                if self._store is not None:
                    Shelf(self._store, uid, self._trainings / uid).discard()
        return goes_on

    def ended(self, trial_id: str, error: str) -> None:
        """A trial ended with an error of Ray's, which comes before :meth:`on_trial_complete`."""
        self._error[trial_id] = error

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        uid, told = self._uid.pop(trial_id, None), self._error.pop(trial_id, "")
        if uid is None:
            return
        with self._keeping_errors():
            self._take(uid, result or {}, told)

    def _take(self, uid: str, result: dict[str, Any], error: str) -> None:
        """What became of a training. Raises UserError (code 4) where its worker's disk takes no more."""
        if "disk" in result:
            raise UserError(f"cannot write {result['disk']}", hint=MAKE_ROOM, code=ENVIRONMENT)
        if "lacking" in result and self._nodes is not None:
            self._nodes.refuse(result["node"], result["lacking"])
            self._loop.lost(uid, f"the node does not fit: {result['lacking']}", reason=LOST)
            return
        outcome = decode(uid, result["outcome"]) if "outcome" in result else adopt(self._trainings, uid)
        if outcome is not None and not self._is_here(uid, outcome, result):
            discard(self._trainings, uid)
            self._loop.lost(uid, "its weights did not come whole", reason=LOST)
        elif outcome is not None:
            self._loop.finish(uid, outcome)
        elif where := hung(self._trainings, uid):
            self._loop.lost(uid, where, reason=HANG)
        else:
            detail, reason = _why(error)
            self._loop.lost(uid, detail, reason=reason)

    def _is_here(self, uid: str, outcome: Outcome, result: dict[str, Any]) -> bool:
        """Takes in what a training left on another machine; False where its weights did not come whole. The result comes
        last, so that it is not taken for one without them. Raises UserError (code 4) where the store does not answer."""
        files = dict(result.pop("files", ()))
        if not files:
            return True  # it wrote them where they are looked for
        text = files.pop(RESULT)
        receive(self._trainings, uid, files)
        if self._store is not None and result.get("stored") and not has_weights(self._trainings, uid, outcome):
            self._fetch(self._store, uid)
        if not has_weights(self._trainings, uid, outcome):
            return False
        receive(self._trainings, uid, {RESULT: text})
        return True

    def _fetch(self, store: Store, uid: str) -> None:
        """Brings weights here. Raises UserError (code 4) where the store does not answer."""
        try:
            store.fetch(uid, (WEIGHTS,), self._trainings / uid)
        except (OSError, ValueError) as error:
            raise unreadable(store, error) from error

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        """Raised here, an error would end in Tune's log; drive() raises it once Tune has stopped."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            self._loop.stop()

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text("{}")

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a run is resumed from its ledger, never from Tune")


class EarlyStops(FIFOScheduler):  # type: ignore[misc]
    """First come, first served; a training goes on for as long as the loop says. Tune asks it after each epoch, and its
    searcher only of those that go on.
    """

    def __init__(self, searcher: LoopSearcher) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(self.CONTINUE if self._searcher.goes_on(trial.trial_id, result) else self.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        path = Path(trial.error_file) if trial.error_file else None  # Tune has just written it
        self._searcher.ended(trial.trial_id, path.read_text(errors="replace") if path and path.exists() else "")
        super().on_trial_error(tune_controller, trial)


def _why(error: str) -> tuple[str, str]:
    """Detail and reason of a training whose worker ended without a result, from what Ray says."""
    if NODE_DIED in error:
        return "its node left the cluster", LOST
    if NOT_STARTED in error:
        return f"its worker did not start: {error.strip()[-1000:]}", WORKER_DIED
    return "its process ended without a word; most often the machine ran out of memory", WORKER_DIED


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
