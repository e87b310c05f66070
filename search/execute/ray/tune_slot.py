"""The class that Ray Tune runs in each slot of a search: one trial is one training.

It stands at module level, so that Ray's pickles name it and hold nothing of ours.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from search.execute.evaluator import Evaluator
from search.execute.gpu_meter import GpuMeter
from search.execute.gpu_turns import GpuTurn
from search.execute.ray import checkpoint_sender, gpu_health, worker_paths
from search.execute.ray.cluster import NODE_ID, Needs
from search.execute.ray.group_trainer import GroupTrainer
from search.execute.remote_store import RemoteCopy, RemoteStore
from search.execute.worker import GpuFailed, work
from search.state import result_files
from search.state.records import Assignment, Outcome, Progress
from search.state.run_folder import RunFolder
from senet_nas import gpus
from senet_nas.recipe import Seed
from senet_nas.training import checkpoint

# Epochs are reported together for this long: a report costs the driver about 10 ms of a core that may train.
REPORT_SECONDS = 2.0
# The entries in the config of a trial that list the nodes and the GPUs on which it must not run, and that say whether
# the driver sends a checkpoint of the training to a node that does not see it.
BARRED = "barred"
BARRED_GPUS = "barred_gpus"
SENT = "sent"
# Seconds between two words of a slot whose GPU is barred: it holds its share of the GPU, so that no other slot gets it.
PARKED_SECONDS = 2.0


@dataclass(frozen=True)
class ClusterAccess:
    """What a worker needs that may run on another machine than the driver.

    ``needs``: what its node must have. ``store``: where trainings keep copies of their files, if anywhere.
    """

    needs: Needs
    store: RemoteStore | None


def request(config: dict[str, Any], cpus: int, gpus: float) -> tune.PlacementGroupFactory:
    """The resources of a trial on a cluster: its share of a node, but not of a node that does not fit."""
    barred = config[BARRED]
    where = {"bundle_label_selector": [{NODE_ID: f"!in({','.join(barred)})"}]} if barred else {}
    return tune.PlacementGroupFactory([{"CPU": cpus, "GPU": gpus}], **where)


class Slot(tune.Trainable):  # type: ignore[misc]
    """A slot of the search. A step is the epochs of about two seconds."""

    def setup(
        self,
        config: dict[str, Any],
        *,
        evaluate: Evaluator | GroupTrainer,
        trainings: Path,
        access: ClusterAccess | None,
        rungs: tuple[int, ...] = (),
        folder: Path | None = None,
        gpu_share: float = 0.0,
    ) -> None:
        if folder is not None:
            worker_paths.enter(folder)
        self._evaluate = evaluate
        self._trainings = trainings
        self._store = access.store if access else None
        self._rungs = rungs
        self._lacking = access.needs.lacking() if access else ""
        self._is_apart = access is not None and not access.needs.is_shared()
        # Files are only removed if this cannot be the driver's folder: a network disk may show it a little late.
        self._cleans = self._is_apart and not RunFolder(trainings.parent).exists
        self._uid = ""
        self._gpu = _gpu() if gpu_share else ""
        self._gpu_share = gpu_share
        self._turn = GpuTurn(self._gpu.split("/")[-1]) if 0 < gpu_share < 1 else None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if self._lacking:  # the node joined after all nodes were asked
            return {"lacking": self._lacking, "node": _node(), tune.result.DONE: True}
        if self._is_parked:
            time.sleep(PARKED_SECONDS)
            return {"parked": self._gpu, tune.result.DONE: False}
        try:
            item = self._next_item()
        except OSError as error:
            return {"disk": f"{error.filename or self._trainings}: {error.strerror}", tune.result.DONE: True}
        except GpuFailed as error:  # Tune ends the process of a trial that raises
            raise GpuFailed(gpu_health.telling(self._gpu, error)) from None
        if isinstance(item, Outcome):
            self._give_turn_back()
            outcome = result_files.encode(self._uid, item)
            files = self._files(has_paused=bool(item.paused))
            return {"outcome": outcome, "gpu": self._gpu, **files, tune.result.DONE: True}
        return {"epoch": item.epoch, "metrics": [*item.metrics.items()], tune.result.DONE: False}

    def _next_item(self) -> Progress | Outcome:
        """The outcome, or the last of the epochs that end within REPORT_SECONDS.

        A rung ends a step, because the driver decides there whether the training continues.
        """
        until = time.monotonic() + REPORT_SECONDS
        item = next(self._work)
        while not isinstance(item, Outcome) and item.epoch not in self._rungs and time.monotonic() < until:
            item = next(self._work)
        return item

    def _begin(self, config: dict[str, Any]) -> None:
        if self._cleans and self._uid not in ("", config["uid"]):
            # The driver has the files of the last training, or it would not send another one.
            shutil.rmtree(self._trainings / self._uid, ignore_errors=True)
        if self._is_apart and config.get(SENT):
            checkpoint_sender.bring(self._trainings, config["uid"])
        self._give_turn_back()
        self._is_parked = self._gpu != "" and self._gpu in config.get(BARRED_GPUS, ())
        given = {name: value for name, value in config.items() if name not in (BARRED, BARRED_GPUS, SENT)}
        assignment = Assignment(**{**given, "seed": Seed.parse(given["seed"])})
        self._uid = assignment.uid
        folder = self._trainings / self._uid
        self._remote = RemoteCopy(self._store, self._uid, folder) if self._store else None
        self._work: Iterator[Progress | Outcome] = work(
            assignment,
            self._evaluate,
            self._trainings,
            prepare=self._prepare,
            remote=self._remote,
            meter=GpuMeter(self._gpu_share),
        )
        self._is_alone = assignment.alone

    def cleanup(self) -> None:
        self._give_turn_back()

    def _prepare(self) -> None:
        """Loads what all trainings of this process share, and waits for a turn on a GPU that is shared."""
        self._evaluate.prepare()
        if self._turn is not None:
            self._turn.take(alone=self._is_alone)
            gpus.limit(1.0 if self._is_alone else self._gpu_share)

    def _give_turn_back(self) -> None:
        if self._turn is not None:
            self._turn.give_back()

    def _files(self, *, has_paused: bool) -> dict[str, Any]:
        """The files of an ended training that the driver does not see, or only its result if the rest is in the store.

        Of one that ``has_paused``, the store keeps the checkpoint, or the driver gets it.
        A list of pairs, because Tune takes mappings within a result apart.
        """
        if self._remote is not None and self._remote.end(*result_files.KEPT, keeps_checkpoint=has_paused):
            result = result_files.carry(self._trainings, self._uid, [result_files.RESULT])
            return {"files": [*result.items()], "stored": True}
        if self._is_apart:
            kept = checkpoint.names(self._trainings / self._uid) if has_paused else ()
            return {"files": [*result_files.carry(self._trainings, self._uid, [*kept, *result_files.KEPT]).items()]}
        return {"files": []}


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _gpu() -> str:
    """The GPU of this process: a name that is unique in the cluster, ending with that on its node."""
    import ray

    return f"{_node()}/{','.join(str(name) for name in ray.get_gpu_ids())}"
