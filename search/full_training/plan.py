"""Which architecture is trained in full, on what, and from which weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from search.config import Experiment
from search.exporting.exported_choice import median_training
from search.results import selection
from search.results.objectives import qualities
from search.setup.code_identity import check_run
from search.setup.experiment_setup import Prepared, load
from search.setup.opened_run import open_folder
from search.state import result_files, run_folder
from search.state.run_folder import RunFolder
from senet_nas.data import data_path
from senet_nas.recipe import Seed
from senet_nas.training.quality_metrics import Metric
from spaces.architecture import Architecture
from spaces.errors import UserError
from spaces.placements import label

Start = Literal["scratch", "search"]
# The name of the network of a config without SE, where a published network or a key may stand.
PLAIN = "plain"


@dataclass(frozen=True)
class Plan:
    """One full training: of which architecture, on what, and from which weights (None: from scratch).

    ``name`` is the architecture for people. ``runs`` is the folder of MLflow's own store. With several ``devices``,
    each takes its part of every batch. ``extend``: a training that has finished with fewer epochs goes on.
    """

    architecture: str
    name: str
    experiment: Experiment
    start: Path | None
    seed: Seed
    runs: Path
    devices: int = 1
    extend: bool = False

    @property
    def metric(self) -> Metric:
        """What the search is judged by."""
        return qualities(self.experiment.objectives)[0]

    def request(self, prepared: Prepared) -> dict[str, Any]:
        """What distinguishes this training from others: noted when it begins, compared when it continues."""
        return {
            "architecture": self.architecture,
            "seed": str(self.seed),
            "start": self._start(prepared),
            "devices": self.devices,
            "data": prepared.images.fingerprint,
            "image_size": prepared.images.image_size,
            "recipe": json.loads(json.dumps(asdict(self.experiment.train))),
        }

    def _start(self, prepared: Prepared) -> str:
        """Where the initial weights come from."""
        model = self.experiment.model
        if self.start is not None:
            return str(self.start)
        if prepared.weights is not None:
            return f"{model.weights} (SHA-256 {prepared.weights.sha256})"
        return "pretrained" if model.init == "pretrained" else "scratch"


def plan(
    what: str,
    *,
    config_path: Path | None,
    overrides: Sequence[str],
    pick: str,
    start: Start,
    seed: str,
    runs: Path,
    limits: Mapping[str, float] | None = None,
) -> tuple[Plan, Path]:
    """The training of an architecture of a run, of a published network, of plain or of a key, and its usual folder.

    ``pick`` and ``limits`` (percent by overhead column) choose among the architectures of a run. The recipe and the
    data are those of ``config_path``; a run has its own. Raises UserError.
    """
    place = _run(what, runs)
    if place is None:
        return _plan_of_key(what, config_path, overrides, start, _seed(seed), runs)
    with open_folder(place) as run:
        experiment = run.experiment
        point = selection.choose(run.front, pick, limits)
        training = median_training(point, run) if start == "search" else None
        if config_path is None:
            check_run(run)
    if config_path is not None or overrides:
        experiment = load(config_path or place.config, overrides, base=None if config_path else experiment.base)
    _check_backbone(point.architecture, experiment)
    if config_path is None:
        _check_images(place, experiment)
    weights = result_files.weights(place.trainings, training) if training else None
    name = f"{point.id}: {point.label}"
    planned = Plan(point.architecture, name, experiment, weights, _seed(seed), place.path.parent)
    return planned, place.path / "train" / point.id


# -- inside -----------------------------------------------------------------------------------------------------------


def _run(what: str, runs: Path) -> RunFolder | None:
    """The run of that name or path; None for a key or a published network. Raises UserError for any other name."""
    from senet_nas.network import build, published
    from senet_nas.network.backbones import table

    if "/" in what and not Path(what).exists():
        return None
    names = published.names()
    if what in (*names, PLAIN) and what not in run_folder.names(runs):
        return None
    if what in table.names() and what not in run_folder.names(runs) and not Path(what).exists():
        plain = Architecture.plain(what, len(build.sites(what)))
        hint = f"write the key of an architecture of it; plain is `{plain.key}`"
        raise UserError(f"`{what}` is a network, and neither a run nor an architecture", hint=hint)
    return run_folder.find(what, runs, or_else=names)


def _plan_of_key(
    what: str, config_path: Path | None, overrides: Sequence[str], start: Start, seed: Seed, runs: Path
) -> tuple[Plan, Path]:
    from senet_nas.network import build, published

    if config_path is None:
        raise UserError(f"`{what}` is not a run, so the data and the recipe are not known", hint="add --config FILE")
    if start == "search":
        raise UserError("only an architecture of a run has weights of a search", hint="leave --start out")
    experiment = load(config_path, overrides)
    experiment.check_new()
    if what == PLAIN:
        network = experiment.model.network
        architecture = Architecture.plain(network, len(build.sites(network)))
    elif what in published.names():
        architecture = published.find(what, "none", {})
    else:
        architecture = Architecture.parse(what)
    _check_backbone(architecture.key, experiment)
    name = label(architecture, build.sites(architecture.backbone))
    return Plan(architecture.key, name, experiment, None, seed, runs), Path(f"{config_path.stem}-trained")


def _check_images(place: RunFolder, experiment: Experiment) -> None:
    """Raises UserError if the images of a run were moved; a config can say where they are now."""
    path = experiment.data.path
    where = data_path.place(path, experiment.base) if path else None
    if where is not None and not where.exists():
        raise UserError(
            f"the data of run `{place.name}` are not there any more: no {where}",
            hint="put them back, or give a config that says where they are now: --config FILE",
        )


def _seed(text: str) -> Seed:
    try:
        return Seed.parse(text)
    except ValueError as error:
        hint = "write a number, or BLOCK.REPLICATE as in the tables"
        raise UserError(f"`{text}` is not a seed", hint=hint) from error


def _check_backbone(key: str, experiment: Experiment) -> None:
    """Raises UserError if the config is of another network, or does not train."""
    backbone = Architecture.parse(key).backbone
    network = experiment.model.network
    if backbone != network:
        raise UserError(
            f"the architecture is of {backbone}, the config of {network}",
            hint=f"write `backbone: {backbone}` into its section model",
            key="model.backbone",
        )
    if experiment.evaluate != "train":
        raise UserError("only our own training trains a network", hint="leave `evaluate` out", key="evaluate")
