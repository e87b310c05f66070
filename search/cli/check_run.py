"""``senet-search check``: config, data, network and machine, and what the run will take. Nothing is trained for keeps."""

import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from search.config import Experiment
from search.execute.evaluators import Trainer
from search.execute.ray import cluster
from search.report.terminal import plan_lines
from search.setup.experiment_setup import Prepared, prepare
from search.track import tracker as track

# Enough batches for a steady rate, few enough to wait for.
BATCHES = 12


@dataclass(frozen=True)
class Checked:
    """What was found. ``seconds_per_training`` is measured on a few batches, None where nothing of ours trains.
    ``silent_store`` is why MLflow's server does not answer, which would not stop a run; ``silent_cluster`` why nothing does
    at the address of Ray, where a cluster may be started yet."""

    prepared: Prepared
    seconds_per_training: float | None
    free_bytes: int
    silent_store: str = ""
    silent_cluster: str = ""

    @property
    def seconds(self) -> float | None:
        if self.seconds_per_training is None:
            return None
        slots = self.prepared.slots.count or 1  # a cluster may hold any number
        return self.seconds_per_training * self.prepared.experiment.budget.trainings / slots

    def to_dict(self) -> dict[str, Any]:
        space = self.prepared.space
        return {
            "data": dict(self.prepared.data), "space": {"size": space.size, "nominal": space.nominal_size},
            "sites": [site.name for site in space.sites], "slots": asdict(self.prepared.slots),
            "device": self.prepared.device, "trainings": self.prepared.experiment.budget.trainings,
            "seconds_per_training": self.seconds_per_training, "seconds": self.seconds, "free_bytes": self.free_bytes,
            "silent_store": self.silent_store, "silent_cluster": self.silent_cluster,
        }  # fmt: skip

    def lines(self) -> list[str]:
        time_line = (
            f"time      one training about {_rough(self.seconds_per_training)} (measured on {BATCHES} batches), "
            f"the run about {_rough(self.seconds or 0)}"
            if self.seconds_per_training is not None
            else "time      depends on what is called"
        )
        return [
            "ok        config, data, network, machine",
            *plan_lines(self.prepared),
            time_line,
            f"disk      {self.free_bytes / 1e9:.0f} GB free",
            *_cautions(self.prepared),
            *([f"caution   MLflow does not answer: {self.silent_store}"] if self.silent_store else []),
            *([f"caution   {self.silent_cluster}"] if self.silent_cluster else []),
        ]


def _cautions(prepared: Prepared) -> list[str]:
    """What a config may say, and hardly anybody means."""
    recipe = prepared.experiment.train
    if prepared.experiment.evaluate == "train" and recipe.warmup >= recipe.epochs:
        return [
            f"caution   train.warmup is {recipe.warmup:g} of {recipe.epochs} epochs: the learning rate rises to the end "
            "and never reaches train.lr"
        ]
    return []


def check(experiment: Experiment) -> Checked:
    """Raises UserError or ConfigError for the first thing that would stop a run."""
    prepared = prepare(experiment)
    seconds = _measure(prepared) if isinstance(prepared.evaluate, Trainer) else None
    runs = Path("runs")
    silent = track.unreachable(track.store(experiment.tracking.uri, runs), runs)
    return Checked(prepared, seconds, shutil.disk_usage(".").free, silent, _silent_cluster(prepared.slots.ray))


def _silent_cluster(address: str) -> str:
    error = cluster.silent(address)
    return f"no Ray cluster answers at {address} yet: {error}; {cluster.HEAD} before the search" if error else ""


def _measure(prepared: Prepared) -> float:
    """Seconds for one training, from an epoch over a few batches of the real images on one slot's threads."""
    import torch

    from senet_nas.data.load import load
    from senet_nas.network.build import build
    from senet_nas.recipe import Seed
    from senet_nas.training.train import fit

    experiment = prepared.experiment
    torch.set_num_threads(prepared.slots.cpus)
    data = load(experiment.data, base=experiment.base)
    share = min(1.0, BATCHES * experiment.train.batch_size / len(data.y_train))
    few = data.share(share)
    model = build(
        f"{experiment.model.network}/" + "/".join("-" for _ in prepared.space.sites),
        in_channels=data.channels,
        num_classes=data.num_classes,
    )
    epochs = fit(model, few, replace(experiment.train, epochs=2), seed=Seed(0), device=prepared.device)
    next(epochs)  # the first epoch pays for start-up
    began = time.perf_counter()
    next(epochs)
    return (time.perf_counter() - began) / share * experiment.train.epochs


def _rough(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
