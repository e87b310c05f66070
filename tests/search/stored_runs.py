"""Gives tests runs that are stored in a folder, one for each answer: proven, likely, open, not worth it, too short.

The real loop plans them; accuracies follow from architecture and seed, and loss curves from accuracies.
"""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from search import config
from search.config import Experiment
from search.report.refresh import refresh
from search.results.image_flips import image_flips, right_images
from search.results.result import Front
from search.setup.opened_run import OpenedRun, open_folder
from search.state.changes_fact import ChangedImage, ChangesFact, Confusions
from search.state.completion_fact import Completion
from search.state.facts import DataFact, Facts
from search.state.labels_fact import LabelsFact
from search.state.records import Outcome
from search.state.run_folder import RunFolder
from senet_nas.data.thumbnails import thumbnail
from spaces import Space, SpaceSpec, durable
from tests.conftest import residual_sites
from tests.search import looping

CLASSES = tuple(f"class {i}" for i in range(10))
IMAGES = 400
EPOCHS = 6


@dataclass(frozen=True)
class Kind:
    """What makes a stored run: the gain of SE in points, and how its trainings go.

    ``pace`` is how many epochs a training takes to come near its level; ``level`` is that of plain in percent.
    """

    gain: float
    trainings: int = 48
    confirm: float = 0.5
    worthwhile: float = 0.2
    pace: float = 1.0
    level: float = 95.0


KINDS = {
    "proven": Kind(gain=1.5),
    "likely": Kind(gain=0.4, confirm=0.25, trainings=36),
    "open": Kind(gain=-0.15, confirm=0.25, trainings=12),
    "not worth it": Kind(gain=0.0, worthwhile=1.0),
    "too short": Kind(gain=0.0, confirm=0.25, trainings=16, pace=8.0, level=60.0),
}


def store(kind: str, runs: Path) -> RunFolder:
    """A finished run of that kind, in a folder of its own below ``runs``."""
    made = KINDS[kind]
    place = RunFolder((runs / kind.replace(" ", "-")).resolve())
    place.create()
    sites = residual_sites((16, 32, 64))
    loop, ledger = looping.make(
        place.ledger,
        trainings=made.trainings,
        space=Space("net", sites, SpaceSpec(reduction=(4, 16), position=("pre_addition", "post_addition"))),
        confirm=made.confirm,
        worthwhile=made.worthwhile,
        stops=False,
    )
    text = config.to_yaml(_experiment(place.name, made))
    durable.write(place.config, text)
    data = DataFact(train=1000, validation=IMAGES, test=200, classes=CLASSES, channels=1, image_size=28)
    labels = LabelsFact.of([i % len(CLASSES) for i in range(IMAGES)])
    ledger.note(Facts(config=text, sites=sites, data=data, labels=labels, seconds=60.0, device="cpu"))
    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, _outcome(assignment, made))
    loop.conclude()
    ledger.note(Facts(changes=_changes(ledger.trainings)))
    ledger.note(Facts(complete=Completion(made.trainings)))
    ledger.close()
    return place


@contextmanager
def opened(kind: str, runs: Path) -> Iterator[OpenedRun]:
    with open_folder(store(kind, runs)) as run:
        yield run


def page(kind: str, runs: Path) -> tuple[Path, Front]:
    """The page that `senet-search report` writes of a run of that kind, and its front."""
    with opened(kind, runs) as run:
        return run.folder.report, refresh(run)


def _changes(trainings) -> ChangesFact:
    """What architecture 1 changes: the images whose stored bits change sides, with pictures of noise."""
    plain, other = (right_images(trainings, number, IMAGES) for number in (0, 1))
    flips = image_flips(plain, other)
    luck = np.random.default_rng(0)
    pictures = torch.from_numpy(luck.integers(0, 256, (IMAGES, 1, 28, 28), dtype=np.uint8))
    images = tuple(
        ChangedImage(i % len(CLASSES), float(flips.before[i]), float(flips.after[i]), thumbnail(pictures[i]))
        for i in flips.shown(24)
    )
    before, after = (tuple(map(tuple, 40.0 * np.eye(len(CLASSES)) + luck.poisson(1.0, (10, 10)))) for _ in range(2))
    confusions = Confusions(tuple(range(len(CLASSES))), before, after, (len(plain), len(other)))
    return ChangesFact("a1", len(flips.gained), len(flips.lost), images, confusions)


# -- inside -----------------------------------------------------------------------------------------------------------


def _experiment(name: str, made: Kind) -> Experiment:
    return Experiment.from_dict(
        {
            "name": name,
            "data": "digits",
            "model": {"backbone": "cifar_resnet8"},
            "search": {"confirm": made.confirm, "worthwhile": made.worthwhile, "stop": "budget"},
            "budget": {"trainings": made.trainings},
            "train": {"epochs": EPOCHS},
        }
    )


def _outcome(assignment, made: Kind) -> Outcome:
    reached = looping.accuracy(assignment.architecture, assignment.seed, made.gain) - 95 + made.level
    luck = random.Random(f"{assignment.architecture} {assignment.seed} curve")
    shares = [1 - math.exp(-epoch / made.pace) for epoch in range(1, EPOCHS + 1)]
    curve = []
    for epoch, share in enumerate(shares, start=1):
        accuracy = 10 + (reached - 10) * share / shares[-1] + luck.gauss(0, 0.5) * (epoch < EPOCHS)
        loss = 2.3 * (1 - 0.9 * share) + luck.gauss(0, 0.02)
        rate = 0.2 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2
        curve.append({"epoch": epoch, "lr": rate, "train_loss": loss, "val_accuracy": accuracy, "val_log_loss": loss})
    logged = {"grad_norm": 0.3 + luck.random() / 10, "gate_mean": 0.5, "gate_saturation": 0.01, "train_seconds": 2.0}
    last = {**curve[-1], "val_accuracy": reached, **logged}
    return Outcome(last, curve, correct=_bits(reached, luck))


def _bits(accuracy: float, luck: random.Random) -> bytes:
    """Which images were right: the easy ones, and some of those that are neither easy nor hard."""
    right = round(IMAGES * accuracy / 100)
    easy = range(right - 10)
    others = luck.sample(range(right - 10, min(IMAGES, right + 20)), 10)
    bits = np.zeros(IMAGES, dtype=np.uint8)
    bits[[*easy, *others]] = 1
    return np.packbits(bits).tobytes()
