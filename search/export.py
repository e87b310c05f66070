"""``senet-search export``: the network of a finished search, as files that need nothing of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.results import confirmation as confirm
from search.results import selection as choice
from search.results.result import Point
from search.setup.experiment_setup import validation
from search.setup.opened_run import OpenedRun, open_run
from search.state import result_files
from search.state import run_folder as folder
from search.state.facts import DataFact, Facts
from search.state.records import Training
from search.track import projection
from search.track import tracker as track
from spaces.errors import NOTHING_USABLE, UserError
from spaces.text import with_interval

if TYPE_CHECKING:
    from search.track.registry import Registered
    from senet_nas.costs.timing import Comparison


@dataclass(frozen=True)
class Taken:
    """What was written, how far each form is from the trained network (largest difference of logits), its accuracy,
    and its time beside the same form of plain. ``caution`` says why they were not tried on the validation set, if so.
    """

    point: Point
    seed: str
    folder: Path
    files: dict[str, str]
    differences: dict[str, float]
    accuracy: dict[str, float] = field(default_factory=dict)
    latency: "dict[str, Comparison]" = field(default_factory=dict)
    caution: str = ""
    registered: "Registered | None" = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "architecture": self.point.architecture, "id": self.point.id, "seed": self.seed, "folder": str(self.folder),
            "files": self.files, "differences": self.differences, "accuracy": self.accuracy, "caution": self.caution,
            "latency": {name: timed.to_dict() for name, timed in self.latency.items()}, "verdict": self.point.verdict,
        }  # fmt: skip

    def lines(self) -> list[str]:
        checked = ", ".join(f"{name} {value:.1g}" for name, value in self.differences.items())
        tried = ", ".join(f"{name} {value:.2f} %" for name, value in self.accuracy.items())
        timed = ", ".join(f"{name} {found.overhead:+.1f} %" for name, found in self.latency.items())
        where = folder.shown(self.folder)
        return [
            f"{self.point.id}: {self.point.words}{_verdict(self.point)}, seed {self.seed}, the median of its fresh seeds",
            *(f"  {name:<20} {about}" for name, about in self.files.items()),
            f"Checked against the trained network, largest difference: {checked}",
            f"Accuracy on the validation set: {tried}" if tried else f"caution: not tried on the data: {self.caution}",
            f"Time over the same form of plain, on this CPU: {timed}",
            *([_registered(self.registered)] if self.registered else ()),
            f"Wrote {where}. Try: python {where}/predict.py FILE",
        ]


def _registered(made: "Registered") -> str:
    return f'Registered version {made.version} of {made.uri}: mlflow.pyfunc.load_model("{made.uri}")'


def _verdict(point: Point) -> str:
    return "" if point.is_plain else f" ({point.verdict})"


def export(
    run: str, *, pick: str, limits: Mapping[str, float], to: Path | None, onnx: bool | None, force: bool, runs: Path,
    register: str | None = None, alias: str = "champion",
) -> Taken:  # fmt: skip
    """Exports an architecture by a rule of :mod:`search.results.selection` or by id; ``register`` names a model of MLflow's registry
    of which it becomes a version, to which ``alias`` then points.

    Raises UserError where it has no weights or the target exists.
    """
    with open_run(run, runs) as opened:
        point = choice.choose(opened.front, pick, limits)
        training = median(point, opened)
    whole = _Choice(opened, point, training)
    taken = _write(whole, to or opened.folder.export / point.id, onnx=onnx, force=force)
    return replace(taken, registered=_register(whole, taken.folder, register, alias)) if register else taken


def _register(choice: "_Choice", folder: Path, name: str, alias: str) -> "Registered":
    from search.track import registry

    tracking, runs = choice.experiment.tracking, choice.run.folder.path.parent
    store = registry.Store(track.store(tracking.uri, runs), runs, tracking.experiment or choice.experiment.name)
    facts = {name: value for name, value in _about(choice).items() if isinstance(value, str | int | float)}
    tags = {f"senet.{name}": str(value) for name, value in {"architecture": choice.point.architecture, **facts}.items()}
    return registry.register(folder, name, alias, store, training=choice.training.uid, tags=tags)


@dataclass(frozen=True)
class _Choice:
    """What is exported, and all that is known about it."""

    run: OpenedRun
    point: Point
    training: Training

    @property
    def experiment(self) -> Experiment:
        return self.run.experiment

    @property
    def facts(self) -> Facts:
        return self.run.facts

    @property
    def data(self) -> DataFact:
        """The images of the search. Only networks that we trained have weights, and these were trained on some."""
        assert self.facts.data is not None
        return self.facts.data


def median(point: Point, run: OpenedRun) -> Training:
    """The training whose weights to take: the median validation accuracy, neither the lucky nor the unlucky one."""
    kept = [
        t
        for t in run.ledger.trainings
        if (run.folder.trainings / t.uid / result_files.WEIGHTS).exists() and t.state == "finished"
    ]
    mine = [t for t in kept if t.architecture == point.number]
    if not mine:
        names = ", ".join(sorted({f"a{t.architecture}" for t in kept}))
        raise UserError(
            f"{point.id} has no weights: only the confirmation's fresh trainings, of finalists and of plain, keep theirs; "
            + (f"there are those of {names}" if kept else "none of them has finished"),
            hint=("take one of those" if kept else _onward(run)),
            code=NOTHING_USABLE,
        )
    return projection.median(mine)


def _onward(run: OpenedRun) -> str:
    """How a run without a confirmation comes to one: it goes on to its end, or is extended."""
    is_small = not confirm.sizes(run.experiment.budget.trainings).total
    stopped = not run.is_complete
    more = ["--trainings +24"] if is_small or not stopped else []
    go_on = f"{'the run was stopped: go on' if stopped else 'extend the run'} with `{folder.command(run.folder, run.experiment.name, *more)}`"
    return f"{go_on}; a confirmation takes a budget of 24 trainings" if is_small else go_on


def _write(choice: _Choice, target: Path, *, onnx: bool | None, force: bool) -> Taken:
    from senet_nas.export import bundle as networks

    data, point = choice.data, choice.point
    shape = data.shape or (data.channels, data.image_size, data.image_size)  # runs of before had images
    labelled, caution = validation(choice.experiment, data)
    written = networks.export(
        _network(choice), point.architecture, target, input_shape=tuple(shape), mean=data.mean,
        std=data.std, classes=data.classes, extra=_about(choice), card=_card(choice), labelled=labelled,
        timing=choice.experiment.latency, forms=networks.wanted(onnx), force=force, resize=choice.experiment.data.resize,
    )  # fmt: skip
    return Taken(
        point,
        str(choice.training.seed),
        target,
        written.files,
        written.differences,
        written.accuracy,
        written.latency,
        caution,
    )


def _network(choice: _Choice) -> Any:
    from safetensors.torch import load_file

    from senet_nas.network.build import build

    data = choice.data
    model = build(choice.point.architecture, in_channels=data.channels, num_classes=len(data.classes))
    model.load_state_dict(load_file(result_files.weights(choice.run.folder.trainings, choice.training)))
    return model.eval()


def _about(choice: _Choice) -> dict[str, Any]:
    point, training = choice.point, choice.training
    return {
        "run": choice.run.folder.name, "training": training.name, "seed": str(training.seed), "words": point.words,
        "verdict": point.verdict, "val_accuracy_of_this_seed": training.metrics["val_accuracy"],
        "val_accuracy": point.val_accuracy, "gain": point.gain, "gain_low": point.gain_low, "gain_high": point.gain_high,
        **{measure.overhead: point.costs[measure.overhead] for measure in choice.run.front.measures if measure.is_counted},
        "versions": choice.facts.versions, "data_fingerprint": choice.data.fingerprint,
    }  # fmt: skip


def _card(choice: _Choice) -> str:
    """What was measured, in markdown, for the model card."""
    point, data, experiment = choice.point, choice.data, choice.experiment
    level = f"{100 * choice.run.front.rules.level:.0f} %"
    rows = [
        ("validation accuracy, estimated", f"{point.val_accuracy:.2f} %"),
        ("validation accuracy of this seed", f"{choice.training.metrics['val_accuracy']:.2f} % (seed {choice.training.seed})"),
        (f"gain over plain [{level} interval]",
         "-" if point.is_plain else with_interval(point.gain, point.gain_low, point.gain_high, "points")),
        ("verdict", point.verdict),
        *(
            (f"{m.title} ({m.description})", f"{m.shown(point.costs[m.column])} ({point.costs[m.overhead]:+.3g} %)")
            for m in choice.run.front.measures if m.is_counted
        ),
    ]  # fmt: skip
    recipe, samples = experiment.train, "images" if len(data.shape or "CHW") == 3 else "signals"
    return "\n".join([
        "## What was measured", "", f"{choice.run.front.verdict} ({choice.run.folder.name})", "",
        "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), "",
        f"Data: {experiment.data.dataset}, {data.train:,} training and {data.validation:,} validation {samples}, "
        f"fingerprint `{data.fingerprint}`.",
        f"Recipe: {recipe.epochs} epochs of SGD, batch {recipe.batch_size}, learning rate {recipe.lr:g} "
        f"({recipe.schedule}), weight decay {recipe.weight_decay:g}. These are weights of the search: "
        "a longer training may give better ones.",
    ])  # fmt: skip
