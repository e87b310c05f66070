"""Checkpoints for nodes of a cluster that do not see the run folder: an actor beside the driver sends them.

A training that paused on one node can so continue on another, without a store and without a shared folder.
"""

import logging
from pathlib import Path
from typing import Any

from search.state import result_files
from senet_nas.training import checkpoint

# The name of the actor; the driver and its workers share a namespace that is theirs alone.
NAME = "senet-checkpoints"
# Seconds after which a worker waits no longer, and the training starts again.
WAIT_SECONDS = 120.0


class CheckpointSender:
    """An actor that reads the checkpoints of trainings in the run folder."""

    def __init__(self, trainings: Path) -> None:
        self._trainings = trainings

    def read(self, uid: str) -> dict[str, bytes]:
        """The files of the checkpoint of a training by name; empty without one."""
        return result_files.carry(self._trainings, uid, checkpoint.names(self._trainings / uid))


def start(trainings: Path) -> Any:
    """The actor, on the node of this process. It ends when its handle is dropped."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0, name=NAME)(CheckpointSender)
    return actor.options(scheduling_strategy=here).remote(trainings)


def bring(trainings: Path, uid: str) -> None:
    """Writes the checkpoint of a training into its folder here. Without an answer the training starts again."""
    import ray

    try:
        files = ray.get(ray.get_actor(NAME).read.remote(uid), timeout=WAIT_SECONDS)
    except (ray.exceptions.RayError, ValueError) as error:  # the node of the driver is busy, or gone
        logging.getLogger(__name__).warning("training %s starts again: %s", uid, error)
        return
    result_files.receive(trainings, uid, files)
