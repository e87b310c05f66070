"""A full training on several nodes of a Ray cluster. All of them see its folder: the first process writes there."""

import uuid
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from search.execute import environment
from search.execute.ray.cluster import Needs, Nodes
from search.execute.ray.driver import train_together
from search.execute.ray.resources import Cluster, Job, Slots, settled
from search.execute.ray.runtime import running
from search.execute.signals import Signals
from search.full_training.extension import Begun
from search.full_training.plan import Plan
from search.full_training.training_folder import WEIGHTS
from search.setup.experiment_setup import Prepared
from senet_nas.recipe import Report
from spaces import durable


def reports(
    plan: Plan, prepared: Prepared, slots: Slots, to: Path, taken: Signals, before: Begun, say: Callable[[str], None]
) -> Generator[Report]:
    """A report after each epoch of a training with a process for each slot, wherever Ray finds room for it.

    Raises UserError if a node does not fit, or does not see the folder ``to``.
    """
    experiment = plan.experiment
    mark = (to / "session", uuid.uuid4().hex)  # no other folder of this name has this content
    durable.write(*mark)
    needs = Needs(environment.versions(), tuple(prepared.evaluate.needed_paths(experiment.base.resolve())), mark)
    joined = Cluster(needs, say, abandon=lambda error: None)
    with running(slots, taken, joined) as scratch:
        slots = settled(slots, experiment.resources.device)
        Nodes(needs, slots.cpus, slots.gpus, say).admit()
        device = "cuda" if slots.gpus else "cpu"
        task = replace(prepared.evaluate.on_cluster(device, mark[1]).training_task, threads=slots.cpus)
        start = before.weights or plan.start
        job = Job(
            plan.architecture,
            plan.seed,
            task,
            to / WEIGHTS,
            to,
            start and start.resolve(),
            before.epochs,
            mark=mark,
        )
        yield from train_together(job, slots, scratch)
