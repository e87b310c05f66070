"""Runs a search, or one training on several devices, on a Ray that is running.

A class trainable with reused actors costs 0.02 s between trainings; a fresh actor costs 5 s, and a function with reuse
can hang the experiment.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.execute.evaluator import Evaluator
from search.execute.ray import cluster
from search.execute.ray.cluster import Nodes
from search.execute.ray.resources import Cluster, Job, Slots
from search.execute.signals import Signals
from search.loop import Loop
from senet_nas.recipe import Report
from spaces.errors import UserError

if TYPE_CHECKING:
    from search.execute.ray.tune_searcher import LoopSearcher

# Trainings of one experiment of Tune: at least SEGMENT, and at least SEGMENT_OF_A_SLOT for each slot. Tune keeps about
# 35 kB of every trial until it ends, and writes all of them into its snapshots. Between two experiments all slots wait
# for the last one, and load their libraries again.
SEGMENT = 1000
SEGMENT_OF_A_SLOT = 20


def drive(
    loop: Loop,
    evaluator: Evaluator,
    trainings: Path,
    slots: Slots,
    scratch: Path,
    signals: Signals,
    joined: Cluster | None = None,
    *,
    begin: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Calls ``begin`` once the nodes of a cluster fit, then runs the loop to its end, or until a signal comes.

    Raises UserError: code NOTHING_USABLE if too many trainings fail, ENVIRONMENT if a cluster is gone or its nodes do
    not fit.
    """
    from search.execute.ray.tune_searcher import LoopSearcher

    nodes = Nodes(joined.needs, slots.cpus, slots.gpus, joined.say) if joined else None
    if nodes is not None:
        nodes.admit()
    begin()
    length = max(SEGMENT, SEGMENT_OF_A_SLOT * (slots.count or 0))
    searcher = LoopSearcher(loop, trainings, length, nodes, joined.store if joined else None, say=say)
    trainable = _trainable(loop, evaluator, trainings, slots, joined, scratch)

    def stop_without_cluster(error: UserError) -> None:
        searcher.error = searcher.error or error
        _stop(loop)

    watching: AbstractContextManager[None] = nullcontext()
    if nodes is not None and joined is not None:
        watching = cluster.watched(nodes, stop_without_cluster, joined.left, joined.abandon)
    with signals.stopping(lambda: _stop(loop)), watching:
        for number in itertools.count():
            _run_segment(trainable, searcher, slots, scratch / "tune" / str(number))
            if not searcher.begin_segment():
                break
    if searcher.error is not None:
        raise searcher.error


def train_together(job: Job, slots: Slots, scratch: Path) -> Iterator[Report]:
    """One training on as many devices as there are slots; a report after each epoch.

    Raises what the training raises; UserError (code ENVIRONMENT) if one of its processes is lost.
    """
    from search.execute.ray import train_group

    assert slots.count is not None
    resources: dict[str, float] = {"CPU": slots.cpus}
    if slots.gpus:
        resources["GPU"] = slots.gpus
    return train_group.reports(job, slots.count, resources, scratch)


def _trainable(
    loop: Loop, evaluator: Evaluator, trainings: Path, slots: Slots, joined: Cluster | None, scratch: Path
) -> Any:
    """What Tune runs in each slot, with the resources that it takes.

    A training of ours on several GPUs is a group of processes, each of which takes a GPU in place of the slot.
    """
    from ray import tune

    from search.execute.ray.group_trainer import GroupTrainer
    from search.execute.ray.tune_slot import ClusterAccess, Slot, request

    access = ClusterAccess(joined.needs, joined.store) if joined else None
    is_group = slots.gpus > 1 and evaluator.trains_networks
    evaluate = GroupTrainer.of(evaluator.training_task, slots, scratch) if is_group else evaluator
    gpus = 0.0 if is_group else slots.gpus
    slot = tune.with_parameters(
        Slot,
        evaluate=evaluate,
        trainings=trainings,
        folder=Path.cwd(),
        access=access,
        rungs=loop.rungs,
        gpu_share=gpus,
    )
    if joined:
        return tune.with_resources(slot, partial(request, cpus=slots.cpus, gpus=slots.gpus))
    resources: dict[str, float] = {"cpu": slots.cpus}
    if gpus:
        resources["gpu"] = gpus
    return tune.with_resources(slot, resources)


def _run_segment(trainable: Any, searcher: LoopSearcher, slots: Slots, folder: Path) -> None:
    """Runs one experiment of Tune, until its searcher has no more trials for it."""
    from ray import tune

    from search.execute.ray.tune_searcher import EarlyStops

    tune_config = tune.TuneConfig(
        num_samples=-1,
        search_alg=searcher,
        scheduler=EarlyStops(searcher, slots.count),
        reuse_actors=True,
        max_concurrent_trials=slots.count,
    )
    run_config = tune.RunConfig(
        name="segment",
        storage_path=str(folder),
        verbose=0,
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
    )
    tune.Tuner(trainable, tune_config=tune_config, run_config=run_config).fit()
    shutil.rmtree(folder, ignore_errors=True)  # what Tune wrote


def _stop(loop: Loop) -> None:
    """Stops the loop, and Tune: it ends gracefully on SIGUSR1, once it has a handler for it."""
    loop.stop()
    if signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, signal.SIG_IGN):
        os.kill(os.getpid(), signal.SIGUSR1)
