"""Everything that can be known before the first training: data, sites, space, prices, machine."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search import config
from search.config import ConfigError, Experiment, Problem
from search.execute import remote_store as storage
from search.execute.evaluator import Evaluator
from search.execute.ray.resources import Slots
from search.execute.result_table import Table
from search.execute.trainer import Trainer
from search.execute.user_function import UserFunction
from search.planning.early_stopping import SuccessiveHalving
from search.planning.priced_space import Price, PricedSpace
from search.results.objectives import excess
from search.results.result import Rules
from search.state import run_folder as folder
from search.state.facts import DataFact
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas import hardware
from senet_nas import user_code as foreign
from senet_nas.costs.measures import counted
from senet_nas.network.backbones import table as backbones
from senet_nas.recipe import Recipe, Task
from spaces.errors import ENVIRONMENT, UserError, nearest
from spaces.space import Space

if TYPE_CHECKING:
    from senet_nas.export.proof import Labelled


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before the first training. Built by :func:`prepare`."""

    experiment: Experiment
    space: Space
    price: Price
    evaluate: Evaluator
    slots: Slots
    device: str
    data: DataFact | None = None

    @property
    def images(self) -> DataFact:
        """The images; only a table of results has none, and there nothing asks for them."""
        assert self.data is not None
        return self.data

    @property
    def priced_space(self) -> PricedSpace:
        return PricedSpace(self.space, self.price, self.evaluate.known_seeds)


def rules(experiment: Experiment) -> Rules:
    """What decides in an experiment."""
    search = experiment.search
    return Rules(experiment.objectives, level=search.level, tolerance=search.tolerance, min_gain=search.min_gain)


def early_stopping(experiment: Experiment) -> SuccessiveHalving | None:
    """The early stopping of an experiment, where it asks for one; the config is checked to have epochs for it."""
    reduction = experiment.search.halving
    return None if reduction is None else SuccessiveHalving(experiment.train.epochs, reduction)


def kept(place: RunFolder, ledger: Ledger) -> Experiment:
    """The experiment of a run, as its config.yaml has it.

    Raises UserError where that is not the file that the ledger noted: a changed digit may be a config too. Not while a
    driver works on the run, who writes both.
    """
    noted = ledger.facts.config
    if noted is not None and not place.is_held and not place.holds(noted):
        what = "damaged, or was changed" if place.config.exists() else "missing"
        hint = f"senet-search sync {place.name}{folder.option(place.path.parent)}, or the run command, restores it from the ledger"
        raise UserError(f"{place.config} is {what}", hint=hint, code=ENVIRONMENT)
    found = config.load(place.config)
    return _importable(replace(found, base=_origin(found, place, ledger)))


def _origin(experiment: Experiment, place: RunFolder, ledger: Ledger) -> Path:
    """The folder of the config that a run was begun with, where relative paths start.

    Where an older ledger does not say: the folder that the runs lie in, as they do unless --runs said otherwise. The same
    where the project was moved with its runs, if the images are there; else the folder of the run.
    """
    noted, project = ledger.facts.base, place.path.parent.parent
    if noted and Path(noted).is_dir():
        return Path(noted)
    path = experiment.data.path
    return project if not noted or (path and (project / path).exists()) else place.path


def _importable(experiment: Experiment) -> Experiment:
    """The experiment itself; a network of the user's own can be imported from beside its config from now on."""
    if backbones.is_own(experiment.model.backbone):
        foreign.look_in(experiment.base.resolve())
    return experiment


# So many architectures are priced to see whether a limit leaves any; a larger space is not judged by its first ones.
PRICED = 10_000
# Validation images on which every form of an export is tried; more would only take longer.
_TRIED = 10_000
# The schemes of MLflow's stores: a server, a database, a folder.
TRACKERS = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks", "databricks-uc")
# No backbone by name is narrower than this unless its name says so; a larger ratio deserves a look at the sites.
NARROWEST = 16


def load(path: Path, overrides: Sequence[str] = (), *, base: Path | None = None) -> Experiment:
    """The experiment of a config file. Raises ConfigError with every mistake, also those that only the network shows.

    Torch is not imported to tell of a typing error, unless a ratio looks as if it left no channel.
    """
    try:
        found = config.load(path, overrides, base=base)
        return _importable(found if base else replace(found, base=_home(found, path)))
    except ConfigError as error:
        draft = error.draft
        if draft is None or draft.space.min_hidden or max(draft.space.reduction) <= NARROWEST:
            raise
        raise ConfigError([*error.problems, *_space_problems(draft)]) from error


def _home(experiment: Experiment, path: Path) -> Path:
    """Where relative paths of a config start: at its folder; of the copy that a run keeps, where the run was begun."""
    place = RunFolder(path.resolve().parent)
    if path.name != place.config.name or not place.exists:
        return experiment.base
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        return _origin(experiment, place, ledger)


def _space_problems(draft: Experiment) -> tuple[Problem, ...]:
    from senet_nas.network import build

    try:
        Space(draft.model.network, build.sites(draft.model.network), draft.space)
    except UserError as error:
        return draft.problem_at(error.key, error.message, error.hint).problems
    return ()


def prepare(experiment: Experiment) -> Prepared:
    """Data, sites, space and prices of an experiment; nothing is trained.

    Raises ConfigError, with the line of the config, where the space or the data do not fit.
    """
    try:
        prepared = _prepare(_importable(experiment))
        _check_limits(prepared)
        return prepared
    except UserError as error:
        if not error.key:
            raise
        raise experiment.problem_at(error.key, error.message, error.hint, code=error.code) from error


def power_of_two(most: int) -> int:
    """The largest that is not more."""
    return 1 << (most.bit_length() - 1)


def fitting_batch(n_train: int) -> int:
    """A batch size that makes about eight steps of an epoch: with one or two a learning rate says little."""
    return power_of_two(max(2, n_train // 8))


def validation(experiment: Experiment, known: DataFact) -> "tuple[Labelled | None, str]":
    """Validation images of the search, or why there are none: the network can be taken home without its data."""
    from senet_nas.data.augment import centre
    from senet_nas.data.load import load

    try:
        data = load(experiment.data, base=experiment.base)
    except UserError as error:
        return None, error.message
    if data.fingerprint != known.fingerprint:
        return None, "the images are not those of the search any more"
    return (centre(data.x_val[:_TRIED], data.side), data.y_val[:_TRIED]), ""


def together(experiment: Experiment, device: str, count: int) -> Slots:
    """So many devices of this machine for one training. Raises UserError where they are not there, or no batch fits them."""
    batch, cores = experiment.train.batch_size, hardware.cores()
    if count > 1 and experiment.resources.ray != "local":
        hint = "add --set resources.ray=local"
        raise UserError("several devices are those of this machine, not of a cluster", hint=hint, key="resources.ray")
    if batch % count:
        near = max(1, round(batch / count)) * count
        raise UserError(
            f"a batch of {batch} images cannot be shared by {count} devices",
            hint=f"add --set train.batch_size={near}", key="train.batch_size",
        )  # fmt: skip
    gpus = _gpus() if device == "cuda" else 0
    if count > (gpus or cores):
        what, hint = ("GPUs", ", or add --set resources.device=cpu") if gpus else ("CPU cores", "")
        raise UserError(
            f"{count} devices were asked for, but this machine has {gpus or cores} {what}",
            hint=f"give fewer to --devices{hint}", code=ENVIRONMENT,
        )  # fmt: skip
    return Slots(count, max(1, cores // count), 1.0 if gpus else 0.0)


# -- inside -----------------------------------------------------------------------------------------------------------


def _prepare(experiment: Experiment) -> Prepared:
    from senet_nas.costs import overhead
    from senet_nas.network import build, warm_start

    _check_tracking(experiment.tracking.uri)
    evaluate = _evaluator(experiment)
    device, slots = _machine(experiment)
    if experiment.resources.storage and not slots.is_local:
        storage.check(experiment.resources.storage)
    evaluate.check()
    if evaluate.sites is not None:
        space = Space(experiment.model.network, evaluate.sites, experiment.space)
        return Prepared(experiment, space, evaluate.listed_price, evaluate, slots, device)
    space = Space(experiment.model.network, build.sites(experiment.model.network), experiment.space)
    data = _load(experiment)
    _check_batch(experiment, len(data.y_train))
    if experiment.evaluate == "train":
        _check_augmentation(experiment, len(data.shape) - 1)
        warm_start.check(space, experiment.model.init, data.shape, data.num_classes)
    prices = overhead.price_list(
        experiment.model.network, in_channels=data.channels, num_classes=data.num_classes, image_size=data.image_size,
        dimensions=len(data.shape) - 1,
    )  # fmt: skip
    return Prepared(experiment, space, prices.of, evaluate, slots, device, _about(data))


def _check_limits(prepared: Prepared) -> None:
    """Some architecture besides the plain one must be within all limits."""
    objectives, space = prepared.experiment.objectives, prepared.space
    # A limit on what is timed can only be judged once it is.
    objectives = tuple(
        objective for objective in objectives if objective.metric in {measure.name for measure in counted()}
    )
    if space.size > PRICED or all(objective.limit is None for objective in objectives):
        return
    prices = [prepared.price(architecture) for architecture in space if not architecture.is_plain]
    if not any(excess(objectives, price) <= 0 for price in prices):
        strict = next(objective for objective in objectives if objective.limit is not None)
        # Accuracy was put first, so the file may number them in another way.
        written = prepared.experiment.document.tree["objectives"]
        index = next(i for i, objective in enumerate(written) if objective["metric"] == strict.metric)
        least = min(price[strict.column] for price in prices)
        raise UserError(
            f"no architecture of the space is within the limits; the least {strict.metric} overhead is +{least:.3g} %",
            hint="raise the limit, or allow larger reduction ratios",
            key=f"objectives.{index}.limit",
        )


def _check_tracking(uri: str | None) -> None:
    """Not a check of the config alone: a run that was begun with such an address can still be looked at."""
    scheme, found, rest = (uri or "").partition(":")
    kind = scheme.partition("+")[0]  # a driver may follow, as in mysql+pymysql
    if uri is None or uri == "databricks" or (found and rest and kind in TRACKERS):
        return
    allowed = ", ".join(f"{name}:" for name in TRACKERS)
    guess = nearest(kind, TRACKERS)
    raise UserError(
        f"`{config.redacted(uri)}` is no address that MLflow knows; allowed: {allowed}",
        hint=f"did you mean `{guess}:`?"
        if guess and found
        else "write for example http://localhost:5000, or leave it out",
        key="tracking.uri",
    )


def _check_batch(experiment: Experiment, n_train: int) -> None:
    if experiment.evaluate == "train" and experiment.train.batch_size > n_train:
        raise UserError(
            f"{experiment.train.batch_size} is more than the {n_train} images that train",
            hint=f"write `train.batch_size: {power_of_two(n_train)}` or less, better {fitting_batch(n_train)}",
            key="train.batch_size",
        )


def _check_augmentation(experiment: Experiment, dimensions: int) -> None:
    """Signals and volumes take what has no meaning for images alone."""
    if dimensions == 2:
        return
    for name in ("jitter", "shift", "rotation", "crop_area"):
        usual = getattr(Recipe, name)
        if getattr(experiment.train, name) != usual:
            raise UserError(f"{name} is of images", hint=f"use `{name}: {usual:g}`", key=f"train.{name}")


def _evaluator(experiment: Experiment) -> Evaluator:
    kind, _, rest = experiment.evaluate.partition(":")
    if kind == "table":
        return Table(experiment.base / rest)
    if kind == "python":
        return UserFunction(rest, str(experiment.base.resolve()))
    device, slots = _machine(experiment)
    base = {"base": str(experiment.base.resolve())}
    init = experiment.model.init
    return Trainer(Task(experiment.data, experiment.train, device=device, threads=slots.cpus, source=base, init=init))


def _machine(experiment: Experiment) -> tuple[str, Slots]:
    """The device of this machine, and slots. Raises UserError (code 4) where more is asked for than there is."""
    resources = experiment.resources
    cores = hardware.cores()
    # A function of the user's gets a GPU where the config says how much of one.
    wanted = resources.device != "cpu" and (experiment.evaluate == "train" or resources.gpus_per_slot != "auto")
    gpus = _gpus() if wanted else 0
    per_slot = 1.0 if resources.gpus_per_slot == "auto" else float(resources.gpus_per_slot)
    if resources.ray != "local":
        count = None if resources.slots == "auto" else int(resources.slots)
        cpus = 1 if resources.cpus_per_slot == "auto" else int(resources.cpus_per_slot)
        # Which device that is in the end, the nodes of the cluster decide: schedule.settled().
        slots = Slots(count, cpus, per_slot if wanted else 0.0, resources.ray, resources.insecure)
        return ("cuda" if gpus else "cpu"), slots
    if resources.device == "cuda" and not gpus:
        raise UserError(
            "resources.device is cuda, but torch finds no GPU here",
            hint="use `device: cpu`",
            key="resources.device",
            code=ENVIRONMENT,
        )
    share = per_slot if gpus else 0.0
    most = int(gpus / share) if share else cores
    count = min(most, cores) if resources.slots == "auto" else int(resources.slots)
    cpus = max(1, cores // count) if resources.cpus_per_slot == "auto" else int(resources.cpus_per_slot)
    if count * cpus > cores or (share and count * share > gpus):
        what = f"{count} slots with {cpus} CPU cores" + (f" and {share:g} GPU" if share else "") + " each"
        raise UserError(
            f"{what} do not fit: this machine has {cores} cores and {gpus} GPUs",
            hint="use `slots: auto`",
            key="resources.slots",
            code=ENVIRONMENT,
        )
    return ("cuda" if share else "cpu"), Slots(count, cpus, share)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _load(experiment: Experiment) -> Any:
    from senet_nas.training.evaluate import images

    return images(experiment.data, str(experiment.base.resolve()))


def _about(data: Any) -> DataFact:
    return DataFact(
        train=len(data.y_train),
        validation=len(data.y_val),
        test=len(data.y_test),
        classes=tuple(data.classes),
        channels=data.channels,
        image_size=data.image_size,
        shape=tuple(data.shape),
        fingerprint=data.fingerprint,
        mean=tuple(data.mean),
        std=tuple(data.std),
        notes=tuple(data.notes),
    )
