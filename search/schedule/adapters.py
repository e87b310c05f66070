"""The classes that Ray Tune knows us by. All only pass on: to the loop, and to the training.

They stand at module level, so that Ray's pickles name them and hold nothing of ours.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from search.evaluators import Evaluator
from search.failures import HANG
from search.folder import MAKE_ROOM
from search.loop import Assignment, Loop, Outcome, Progress
from search.worker import adopt, carry, decode, encode, hung, receive, work
from senet_nas import checkpoint
from senet_nas.recipe import Seed
from spaces.errors import ENVIRONMENT, UserError

# Short epochs are told together: a report costs the driver about 10 ms of a core that may train.
REPORT_SECONDS = 2.0


class Slot(tune.Trainable):  # type: ignore[misc]
    """A slot of the search: one trial is one training, one step the epochs of about two seconds."""

    def setup(self, config: dict[str, Any], *, evaluate: Evaluator, trainings: Path, carry: bool) -> None:
        self._evaluate, self._trainings, self._carry = evaluate, trainings, carry
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        until = time.monotonic() + REPORT_SECONDS
        try:
            item = next(self._work)
            while not isinstance(item, Outcome) and time.monotonic() < until:
                item = next(self._work)
        except OSError as error:
            return {"disk": f"{error.filename or self._trainings}: {error.strerror}", tune.result.DONE: True}
        if isinstance(item, Outcome):
            carried = carry(self._trainings, self._assignment.uid) if self._carry else {}
            return {"outcome": encode(self._assignment.uid, item), "files": carried, tune.result.DONE: True}
        return {"epoch": item.epoch, "accuracy": item.accuracy, tune.result.DONE: False}

    def _begin(self, config: dict[str, Any]) -> None:
        self._assignment = Assignment(**{**config, "seed": Seed.parse(config["seed"])})
        self._work: Iterator[Progress | Outcome] = work(
            self._assignment, self._evaluate, self._trainings, prepare=self._evaluate.prepare
        )


class LoopSearcher(Searcher):  # type: ignore[misc]
    """Tune asks it for trials, it asks the loop; what Tune tells it, it tells the loop. After ``length`` trials it has no
    more, until :meth:`begin_segment`.
    """

    def __init__(self, loop: Loop, trainings: Path, length: int) -> None:
        super().__init__()
        self._loop, self._trainings, self._length = loop, trainings, length
        self._uid: dict[str, str] = {}
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
                self._uid[trial_id] = assignment.uid
                self._begun += 1
                return {**asdict(assignment), "seed": str(assignment.seed)}
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
        return goes_on

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        uid = self._uid.pop(trial_id, None)
        if uid is None:
            return
        with self._keeping_errors():
            self._take(uid, result or {})

    def _take(self, uid: str, result: dict[str, Any]) -> None:
        """What became of a training. Raises UserError (code 4) where its worker's disk takes no more."""
        if "disk" in result:
            raise UserError(f"cannot write {result['disk']}", hint=MAKE_ROOM, code=ENVIRONMENT)
        receive(self._trainings, uid, result.pop("files", {}))
        outcome = decode(uid, result["outcome"]) if "outcome" in result else adopt(self._trainings, uid)
        if outcome is not None:
            self._loop.finish(uid, outcome)
        elif where := hung(self._trainings, uid):
            self._loop.lost(uid, where, reason=HANG)
        else:
            self._loop.lost(uid, "its process ended without a word; most often the machine ran out of memory")

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
