"""``senet-search train``: which architecture is trained in full, on what, from which weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from search import export as take_home
from search.config import Experiment
from search.full_training.run import Plan
from search.results import selection as choice
from search.setup.experiment_setup import load
from search.setup.opened_run import open_folder
from search.state import result_files
from search.state import run_folder as folder
from search.state.run_folder import RunFolder
from senet_nas.data import image_folder
from senet_nas.recipe import Seed
from spaces.architecture import Architecture
from spaces.errors import UserError
from spaces.placements import label

Start = Literal["scratch", "search"]


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
    """The training of an architecture of a run, of a published network or of a key, and where it goes by default.

    ``pick`` and ``limits`` (percent by overhead column) choose among the architectures of a run.

    The recipe and the data are those of ``config_path``, of a run its own unless given. Raises UserError.
    """
    place = _run(what, runs)
    if place is None:
        return _plan_of_key(what, config_path, overrides, start, _seed(seed), runs)
    with open_folder(place) as run:
        experiment = run.experiment
        point = choice.choose(run.front, pick, limits)
        training = take_home.median(point, run) if start == "search" else None
    if config_path is not None or overrides:
        experiment = load(config_path or place.config, overrides, base=None if config_path else experiment.base)
    _check_backbone(point.architecture, experiment)
    if config_path is None:
        _check_images(place, experiment)
    weights = result_files.weights(place.trainings, training) if training else None
    named = f"{point.id}: {point.words}"
    made = Plan(point.architecture, named, experiment, weights, _seed(seed), place.path.parent)
    return made, place.path / "train" / point.id


# -- inside -----------------------------------------------------------------------------------------------------------


def _run(what: str, runs: Path) -> RunFolder | None:
    """The run of that name or path, if it is one; a key and a published network are none."""
    from senet_nas.network import published as networks

    if "/" in what and not Path(what).exists():
        return None
    published = networks.names()
    if what in published and what not in folder.names(runs):
        return None
    return folder.find(what, runs, or_else=published)


def _plan_of_key(
    what: str, config_path: Path | None, overrides: Sequence[str], start: Start, seed: Seed, runs: Path
) -> tuple[Plan, Path]:
    from senet_nas.network import build
    from senet_nas.network import published as networks

    if config_path is None:
        raise UserError(f"`{what}` is no run, so the data and the recipe are not known", hint="add --config FILE")
    if start == "search":
        raise UserError("only an architecture of a run has weights of a search", hint="leave --start out")
    architecture = networks.find(what, "none", {}) if what in networks.names() else Architecture.parse(what)
    experiment = load(config_path, overrides)
    _check_backbone(architecture.key, experiment)
    named = label(architecture, build.sites(architecture.backbone))
    return Plan(architecture.key, named, experiment, None, seed, runs), Path(f"{config_path.stem}-trained")


def _check_images(place: RunFolder, experiment: Experiment) -> None:
    """Images may be moved after a search; a config of any place can say where to."""
    path = experiment.data.path
    where = image_folder.place(path, experiment.base) if path else None
    if where is not None and not where.exists():
        raise UserError(
            f"the data of run `{place.name}` are not there any more: no {where}",
            hint="put them back, or give a config that says where they are now: --config FILE",
        )


def _seed(text: str) -> Seed:
    try:
        return Seed.parse(text)
    except ValueError as error:
        raise UserError(f"`{text}` is no seed", hint="write a number, or BLOCK.REPLICATE as in the tables") from error


def _check_backbone(key: str, experiment: Experiment) -> None:
    backbone, network = Architecture.parse(key).backbone, experiment.model.network
    if backbone != network:
        raise UserError(
            f"the architecture is of {backbone}, the config of {network}",
            hint=f"write `backbone: {backbone}` into its section model", key="model.backbone",
        )  # fmt: skip
    if experiment.evaluate != "train":
        raise UserError("only our own training trains a network", hint="leave `evaluate` out", key="evaluate")
