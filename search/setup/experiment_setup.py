"""Everything that can be known before the first training: data, sites, space, prices, machine."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from search import config
from search.config import ConfigError, Experiment, Problem
from search.execute import remote_store
from search.execute.evaluator import Evaluator
from search.execute.ray.resources import Slots
from search.execute.result_table import Table
from search.execute.trainer import Trainer
from search.execute.user_function import UserFunction
from search.planning.early_stopping import SuccessiveHalving
from search.planning.priced_space import Price, PricedSpace
from search.planning.training_lengths import ShortTrainings
from search.results.class_recall import HIDING
from search.results.objectives import counted_columns, qualities
from search.setup import fit_positions, gpu_sharing, int8_setup, own_code
from search.setup.fine_tuning_checks import FineTuning, fine_tuning
from search.setup.fit_checks import check_augmentation, check_batch, check_limits, check_metrics, check_pauses
from search.setup.machine import machine
from search.setup.opened_run import importable, origin
from search.setup.setting_checks import check_sizes
from search.setup.tracking_address import check_tracking
from search.state.facts import DataFact, Facts, WeightsFact
from search.state.labels_fact import LabelsFact
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.data.source_stamp import stamp
from senet_nas.recipe import Task
from senet_nas.training.own_task import OwnTask
from spaces import durable
from spaces.errors import UserError
from spaces.space import Space


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
    code: Facts = field(default_factory=Facts)
    weights: WeightsFact | None = None
    fine_tuning: FineTuning | None = None
    # What was measured about the slots, as a sentence.
    sharing: str = ""
    labels: LabelsFact | None = None

    @property
    def images(self) -> DataFact:
        """The images; only a table of results has none, and there nothing asks for them."""
        assert self.data is not None
        return self.data

    @property
    def priced_space(self) -> PricedSpace:
        folds = self.experiment.data.folds or 1
        return PricedSpace(self.space, self.price, self.evaluate.known_seeds, folds)


def early_stopping(experiment: Experiment) -> SuccessiveHalving | None:
    """The early stopping of an experiment, where it asks for one; the config is checked to have epochs for it."""
    reduction = experiment.search.halving
    return None if reduction is None else SuccessiveHalving(experiment.train.epochs, reduction)


def short_trainings(prepared: Prepared) -> ShortTrainings | None:
    """The trainings of an experiment that may pause; None if none may.

    ``auto`` is off: no real table has shown yet that pauses pay (docs/architecture.md).
    """
    experiment = prepared.experiment
    is_on = experiment.search.short == "on" and prepared.evaluate.can_pause
    return ShortTrainings(experiment.train) if is_on else None


# No backbone by name is narrower than this unless its name says so; a larger ratio deserves a look at the sites.
NARROWEST = 16


def load(path: Path, overrides: Sequence[str] = (), *, base: Path | None = None) -> Experiment:
    """The experiment of a config file. Raises ConfigError with every mistake, also those that only the network shows.

    Torch is not imported to tell of a typing error, unless a ratio looks as if it left no channel.
    """
    try:
        found = config.load(path, overrides, base=base)
        return importable(found if base else replace(found, base=_home(found, path)))
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
        return origin(experiment, place, ledger)


def _space_problems(draft: Experiment) -> tuple[Problem, ...]:
    from senet_nas.network import build

    try:
        Space(draft.model.network, build.sites(draft.model.network), draft.space)
    except UserError as error:
        return draft.problem_at(error.key, error.message, error.hint).problems
    return ()


def prepare(experiment: Experiment, *, is_search: bool = True) -> Prepared:
    """Data, sites, space and prices of an experiment; nothing is trained.

    Of a search, the memory of the trainings is checked, too. Raises ConfigError, with the line of the config, where the
    space or the data do not fit.
    """
    with at_its_line(experiment):
        prepared = _prepare(importable(experiment), is_search)
        check_limits(prepared.experiment, prepared.priced_space)
        return prepared


@contextmanager
def at_its_line(experiment: Experiment) -> Iterator[None]:
    """Gives a UserError with a key its line of the config, as a ConfigError; names what the user's network throws."""
    try:
        with own_code.blamed(experiment):
            yield
    except ConfigError:
        raise  # it has its places
    except UserError as error:
        if not error.key:
            raise
        raise experiment.problem_at(error.key, error.message, error.hint, code=error.code) from error


# -- inside -----------------------------------------------------------------------------------------------------------


def _prepare(experiment: Experiment, is_search: bool) -> Prepared:
    from search.setup import memory_check
    from senet_nas.costs import overhead
    from senet_nas.data import decoded_cache
    from senet_nas.network import build, warm_start

    check_tracking(experiment.tracking.uri)
    evaluate = _evaluator(experiment)
    device, slots = machine(experiment)
    if experiment.resources.storage and not slots.is_local:
        remote_store.check(experiment.resources.storage)
    evaluate.check()
    check_pauses(experiment, can_pause=evaluate.can_pause)
    if evaluate.sites is None:
        experiment = fit_positions.fitted(experiment)
    if evaluate.sites is not None:
        space = Space(experiment.model.network, evaluate.sites, experiment.space)
        evaluate.check_space(space.backbone, len(space.sites))
        return Prepared(experiment, space, evaluate.listed_price, evaluate, slots, device)
    sites = warm_start.startable(build.sites(experiment.model.network), experiment.model.init)
    space = Space(experiment.model.network, sites, experiment.space)
    evaluate.check_space(space.backbone, len(space.sites))
    decoded_cache.check(experiment.data, str(experiment.base))
    memory_check.check_data(experiment)
    data = _load(experiment)
    evaluate = evaluate.with_inputs(tuple(data.shape), data.num_classes)
    tuning: FineTuning | None = None
    own_code.check_network(experiment, space, data, evaluate)
    check_batch(experiment, len(data.y_train))
    if experiment.evaluate == "train":
        check_augmentation(experiment, len(data.shape) - 1)
        check_sizes(experiment, data.image_size)
        check_metrics(experiment, data.classes, data.y_val.bincount(minlength=len(data.classes)).tolist())
        init = experiment.model.init
        loaded = warm_start.check(space, init, tuple(data.shape), data.num_classes, weight_file(experiment))
        tuning = fine_tuning(experiment, data, loaded.drawn, loaded.unused, loaded.section)
    elif evaluate.builds_networks:
        warm_start.check(space, experiment.model.init, tuple(data.shape), data.num_classes, weight_file(experiment))
    prices = overhead.price_list(
        experiment.model.network,
        in_channels=data.channels,
        num_classes=data.num_classes,
        image_size=data.image_size,
        dimensions=len(data.shape) - 1,
    )
    said = ""
    if is_search:
        slots, said = gpu_sharing.settled(experiment, space, data, evaluate, slots)
        evaluate = evaluate.with_slots(slots.cpus, slots.gpus)
        memory_check.check_trainings(experiment, space, data, device, slots)
    code = own_code.facts(experiment, space, data, evaluate)
    weights = _weights_fact(experiment, tuning)
    about, labels = about_data(experiment, data)
    return Prepared(experiment, space, prices.of, evaluate, slots, device, about, code, weights, tuning, said, labels)


def weight_file(experiment: Experiment) -> str | None:
    """The path of the file of pretrained weights that a config names."""
    named = experiment.model.weights
    return None if named is None else str((experiment.base / named).resolve())


def _weights_fact(experiment: Experiment, tuning: FineTuning | None) -> WeightsFact | None:
    file = weight_file(experiment)
    if file is None or tuning is None:
        return None
    return WeightsFact(durable.sha256(Path(file)), tuning.drawn)


def _evaluator(experiment: Experiment) -> Evaluator:
    kind, _, rest = experiment.evaluate.partition(":")
    if kind == "table":
        return Table(experiment.base / rest, tuple(counted_columns(experiment.objectives)), judged_by(experiment))
    device, slots = machine(experiment)
    if kind == "python":
        task = OwnTask(
            experiment.train.epochs,
            device=device,
            threads=slots.cpus,
            init=experiment.model.init,
            weights=weight_file(experiment),
        )
        return UserFunction(rest, str(experiment.base.resolve()), judged_by(experiment), task)
    base = {"base": str(experiment.base.resolve())}
    return Trainer(
        Task(
            experiment.data,
            experiment.train,
            device=device,
            threads=slots.cpus,
            source=base,
            init=experiment.model.init,
            weights=weight_file(experiment),
            metrics=tuple(dict.fromkeys([*judged_by(experiment), *experiment.record])),
            int8=int8_setup.quantised(experiment),
        )
    )


def judged_by(experiment: Experiment) -> tuple[str, ...]:
    """The names of the qualities among the objectives; the first one decides what is proven."""
    return tuple(metric.name for metric in qualities(experiment.objectives))


def _load(experiment: Experiment) -> Any:
    from senet_nas.training.evaluate import images

    return images(experiment.data, str(experiment.base.resolve()))


def about_data(experiment: Experiment, data: Any) -> tuple[DataFact, LabelsFact | None]:
    """What a run notes of its data, and the labels of its validation images."""
    from senet_nas.data.data_checks import imbalance

    metric = qualities(experiment.objectives)[0]
    note = imbalance(data.y_train.numpy(), data.classes, hiding=metric.title if metric in HIDING else "")
    notes = (*data.notes, note) if note else tuple(data.notes)
    # With folds the stored bits of each training are those of its own fold; the first one is the validation set.
    validated = [*data.y_val.tolist(), *(data.y_train.tolist() if data.folds else ())]
    files = stamp(experiment.data, experiment.base.resolve())
    return replace(_about(data, notes), stamp=files), LabelsFact.of(validated)


def _about(data: Any, notes: tuple[str, ...]) -> DataFact:
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
        notes=notes,
        white=data.white,
        folds=tuple(data.folds),
        division=data.division,
    )
