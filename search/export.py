"""Exports the network of a finished search, as files that need nothing of ours."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.exporting.choice_card import about, card
from search.exporting.exported_choice import ExportedChoice, median_training
from search.results import selection
from search.results.point import Point
from search.setup import own_code
from search.setup.code_identity import check_run
from search.setup.opened_run import open_run
from search.setup.validation_images import ValidationImages, validation_images
from search.state import result_files, run_folder
from search.track.store import store_to_read
from senet_nas.user_code import evaluating
from spaces.errors import UserError

if TYPE_CHECKING:
    from search.track.registry import Registered
    from senet_nas.costs.timing import Comparison


@dataclass(frozen=True)
class Exported:
    """The files of an exported network, by name, and what was checked of each form.

    ``differences``: the largest difference of its logits from the trained network. ``accuracy``: on the validation set,
    in percent; ``caution`` says why it is missing, if it is. ``latency``: its time beside the same form of plain.
    ``left_out`` says why a network of the user's lacks a form.
    ``read``: how many validation files ``predict.py`` read as the training did.
    """

    point: Point
    seed: str
    folder: Path
    files: dict[str, str]
    differences: dict[str, float]
    accuracy: dict[str, float] = field(default_factory=dict)
    latency: "dict[str, Comparison]" = field(default_factory=dict)
    caution: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    read: int = 0
    int8: dict[str, Any] = field(default_factory=dict)
    registered: "Registered | None" = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "architecture": self.point.architecture,
            "id": self.point.id,
            "seed": self.seed,
            "folder": str(self.folder),
            "files": self.files,
            "differences": self.differences,
            "accuracy": self.accuracy,
            "caution": self.caution,
            "left_out": self.left_out,
            "latency": {name: timed.to_dict() for name, timed in self.latency.items()},
            "verdict": self.point.verdict,
            **({"int8": self.int8} if self.int8 else {}),
        }

    def lines(self) -> list[str]:
        """What the command prints."""
        point = self.point
        verdict = "" if point.is_plain else f" ({point.verdict})"
        where = run_folder.shown(self.folder)
        checked = ", ".join(f"{name} {value:.1g}" for name, value in self.differences.items())
        timed = ", ".join(f"{name} {found.overhead:+.1f} %" for name, found in self.latency.items())
        return [
            f"{point.id}: {point.label}{verdict}, seed {self.seed}, which has the median validation result",
            *(f"  {name:<20} {what}" for name, what in self.files.items()),
            f"Checked against the trained network, largest difference: {checked}",
            self._accuracy_line(),
            *(f"caution: without {name}: {why}" for name, why in self.left_out.items()),
            *([f"Time over the same form of plain, on this CPU: {timed}"] if timed else []),
            *self._int8_lines(),
            *self._registered_lines(),
            f"Wrote {where}.{self._trial(where)}",
        ]

    def _trial(self, where: str) -> str:
        """What to type to try the export in a folder."""
        return f" Try: python {shlex.quote(f'{where}/predict.py')} PATH" if "predict.py" in self.files else ""

    def _accuracy_line(self) -> str:
        if not self.accuracy:
            return f"caution: not tried on the data: {self.caution}"
        tried = ", ".join(f"{name} {value:.2f} %" for name, value in self.accuracy.items())
        files = f"; predict.py reads {self.read} of its files as the training did" if self.read else ""
        return f"Accuracy on the validation set: {tried}{files}"

    def _int8_lines(self) -> list[str]:
        from senet_nas.export import int8_forms

        return int8_forms.lines(self.int8)

    def _registered_lines(self) -> list[str]:
        made = self.registered
        if made is None:
            return []
        return [f'Registered version {made.version} of {made.uri}: mlflow.pyfunc.load_model("{made.uri}")']


def export(
    run: str,
    *,
    pick: str,
    limits: Mapping[str, float],
    to: Path | None,
    onnx: bool | None,
    force: bool,
    runs: Path,
    register: str | None = None,
    alias: str = "champion",
    int8: bool = False,
) -> Exported:
    """Exports an architecture of a run, chosen by a rule of :mod:`search.results.selection` or by its id.

    ``int8`` also writes the INT8 forms of the runtimes that are installed, proven on the validation images.
    ``register`` names a model of MLflow's registry: the network becomes its next version, and ``alias`` points to that.
    Raises UserError if the architecture has no weights or the target exists.
    """
    with open_run(run, runs) as opened:
        point = selection.choose(opened.front, pick, limits)
        check_run(opened)
        choice = ExportedChoice(opened, point, median_training(point, opened))
    images = validation_images(choice.experiment, choice.data, choice.training.seed)
    exported = _write(choice, images, to or opened.folder.export / point.id, onnx=onnx, force=force, int8=int8)
    if register is None:
        return exported
    return replace(exported, registered=_register(choice, images, exported.folder, register, alias))


def _write(
    choice: ExportedChoice, images: ValidationImages, target: Path, *, onnx: bool | None, force: bool, int8: bool
) -> Exported:
    from senet_nas.export import bundle

    data = choice.data
    if int8 and images.calibration is None:
        hint = "make the images of the search available, or leave out --int8"
        raise UserError(f"INT8 needs images to calibrate and to prove it: {images.caution}", hint=hint)
    with own_code.blamed(choice.experiment):
        written = bundle.export(
            _network(choice),
            choice.point.architecture,
            target,
            input_shape=choice.input_shape,
            mean=data.mean,
            std=data.std,
            classes=data.classes,
            extra=about(choice),
            card=card(choice),
            labelled=images.labelled,
            files=images.files,
            timing=choice.experiment.latency,
            forms=bundle.wanted(onnx),
            force=force,
            resize=choice.experiment.data.resize,
            white=data.white,
            calibration=images.calibration if int8 else None,
        )
    return Exported(
        point=choice.point,
        seed=str(choice.training.seed),
        folder=target,
        files=written.files,
        differences=written.differences,
        accuracy=written.accuracy,
        latency=written.latency,
        caution=images.caution,
        left_out=written.left_out,
        read=len(images.files),
        int8=written.int8,
    )


def _network(choice: ExportedChoice) -> Any:
    """The network with the weights of its training, ready for inference."""
    from safetensors.torch import load_file

    from senet_nas.network.build import build

    data = choice.data
    model = build(choice.point.architecture, in_channels=data.channels, num_classes=len(data.classes))
    model.load_state_dict(load_file(result_files.weights(choice.run.folder.trainings, choice.training)))
    return evaluating(model)


def _register(choice: ExportedChoice, images: ValidationImages, folder: Path, name: str, alias: str) -> "Registered":
    """Makes the exported network a version of a registered model, with the facts about it as tags."""
    from search.track import registry

    tracking = choice.experiment.tracking
    runs = choice.run.folder.path.parent
    store = registry.Store(
        store_to_read(tracking.uri, runs, choice.run.facts).uri, runs, tracking.experiment or choice.experiment.name
    )
    tags = {"senet.architecture": choice.point.architecture}
    for fact, value in about(choice).items():
        if isinstance(value, str | int | float):
            tags[f"senet.{fact}"] = str(value)
    pixels = None if images.labelled is None else images.labelled[0]
    return registry.register(folder, name, alias, store, training=choice.training.uid, tags=tags, images=pixels)
