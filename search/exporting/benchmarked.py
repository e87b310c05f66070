"""``senet-search benchmark``: what a network costs in every runtime and precision that is installed, beside plain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.exporting.exported_choice import median_training
from search.results import selection
from search.setup import own_code
from search.setup.code_identity import check_run
from search.setup.opened_run import OpenedRun, open_folder
from search.state import result_files, run_folder
from spaces.architecture import Architecture
from spaces.errors import UserError, nearest

if TYPE_CHECKING:
    from senet_nas.costs.deployed_forms import FormResult, LabelledImages, Subject
    from senet_nas.recipe import LatencySpec

RECORD = "architecture.json"
# What can be measured.
EXPORT = "an export"
RUN = "a run"
NETWORK = "a network"


@dataclass(frozen=True)
class Benchmarked:
    """The forms of one network beside those of plain. ``of`` names it, ``images`` those on which its classes were
    compared; empty if it has no trained weights, or no images."""

    of: str
    architecture: str
    images: str
    measured_on: Mapping[str, object]
    forms: tuple["FormResult", ...]

    @property
    def is_plain(self) -> bool:
        return Architecture.parse(self.architecture).is_plain

    def to_dict(self) -> dict[str, Any]:
        return {
            "of": self.of,
            "architecture": self.architecture,
            "images": self.images,
            "measured_on": dict(self.measured_on),
            "forms": [form.to_dict() for form in self.forms],
        }

    def lines(self) -> list[str]:
        """The table, and what its columns mean."""
        from search.report.form_lines import form_lines

        return form_lines(self)


def kind_of(what: str, runs: Path) -> str:
    """What a name stands for: EXPORT, RUN or NETWORK. Raises UserError for a file or folder that is none of them."""
    if (_folder(what) / RECORD).is_file():
        return EXPORT
    if what in run_folder.names(runs) or run_folder.RunFolder(Path(what)).exists:
        return RUN
    if Path(what).exists():
        raise UserError(
            f"{what} is neither a run nor an export", hint=f"an export is a folder with {RECORD}, or one of its files"
        )
    return NETWORK


def benchmark(
    what: str,
    *,
    pick: str,
    limits: Mapping[str, float],
    runs: Path,
    runtimes: Sequence[str],
    spec: "LatencySpec",
    placement: str,
    se: Mapping[str, str],
    given: Mapping[str, int | None],
    has_energy: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Benchmarked:
    """Measures a network: of a run, chosen by ``pick`` and ``limits``; of an export, named by its folder or one of its
    files; or an architecture, as `profile` names it with ``placement``, ``se`` and ``given``.

    ``has_energy``: also joules. ``say`` hears of each form that was measured. Raises UserError.
    """
    from senet_nas.costs import deployed_forms
    from senet_nas.costs import runtimes as calls

    device = calls.device_of(spec).type
    forms = deployed_forms.forms(runtimes, device)
    subject, of, key, images = _subject(what, pick, limits, runs, placement, se, given)
    if Architecture.parse(key).is_plain:
        subject = replace(subject, plain=subject.candidate)
    found = []
    for form in deployed_forms.measured(subject, forms, spec, images, has_energy=has_energy):
        found.append(form)
        say(f"  {len(found)} of {len(forms)} forms: {form.name}")
    machine = {name: value for name, value in calls.fingerprint(spec).items() if name not in ("runtime", "dtype")}
    return Benchmarked(of, key, images.of if images is not None else "", machine, tuple(found))


# -- inside -----------------------------------------------------------------------------------------------------------

Found = tuple["Subject", str, str, "LabelledImages | None"]


def _subject(
    what: str,
    pick: str,
    limits: Mapping[str, float],
    runs: Path,
    placement: str,
    se: Mapping[str, str],
    given: Mapping[str, int | None],
) -> Found:
    kind = kind_of(what, runs)
    if kind == EXPORT:
        return _of_export(_folder(what))
    if kind == RUN:
        with open_folder(run_folder.find(what, runs)) as run:
            check_run(run)
            return _of_run(run, pick, limits)
    return _of_architecture(what, runs, placement, se, given)


def _folder(what: str) -> Path:
    """The folder of an export that is named by it or by one of its files."""
    place = Path(what)
    return place.parent if place.is_file() else place


def _of_export(folder: Path) -> Found:
    from senet_nas.costs.deployed_forms import Subject
    from senet_nas.export import bundle, record

    about = record.read(folder)
    key = about["architecture"]
    shape = record.shape(about)
    plain = _builder(_plain(key), shape[0], len(about["classes"]))
    return Subject(lambda: bundle.load(folder), plain, shape), str(folder), key, None


def _of_run(run: OpenedRun, pick: str, limits: Mapping[str, float]) -> Found:
    from senet_nas.costs.deployed_forms import Subject
    from senet_nas.network.build import build

    point = selection.choose(run.front, pick, limits)
    data = run.facts.data
    assert data is not None  # only networks that we trained have weights
    shape = tuple(data.shape or (data.channels, data.image_size, data.image_size))

    def trained(key: str, weights: Path) -> Any:
        from safetensors.torch import load_file

        with own_code.blamed(run.experiment):
            made = build(key, in_channels=shape[0], num_classes=len(data.classes))
        made.load_state_dict(load_file(weights))
        return made

    of_point, of_plain = (
        partial(trained, each.architecture, result_files.weights(run.folder.trainings, median_training(each, run)))
        for each in (point, run.front.plain)
    )
    subject = Subject(of_point, of_plain, shape, has_weights=True)
    return subject, f"{run.name} {point.id}: {point.label}", point.architecture, _images(run)


def _images(run: OpenedRun) -> "LabelledImages | None":
    """The test images of a run, or its validation images where it has no others; None if they are not there now."""
    from senet_nas.costs.deployed_forms import LabelledImages
    from senet_nas.data.batches import normalise
    from senet_nas.data.load import load
    from senet_nas.deploy.deployed import calibration_images

    try:
        data = load(run.experiment.data, base=run.experiment.base)
    except UserError:
        return None
    if run.facts.data is None or data.fingerprint != run.facts.data.fingerprint:
        return None
    name, x, y_N = ("test", data.x_test, data.y_test) if len(data.y_test) else ("validation", data.x_val, data.y_val)
    calibration = calibration_images(data.x_train)
    return LabelledImages(x, y_N, lambda part: normalise(part, data), calibration, f"{len(y_N)} {name} images")


def _of_architecture(
    what: str, runs: Path, placement: str, se: Mapping[str, str], given: Mapping[str, int | None]
) -> Found:
    from senet_nas.costs.deployed_forms import Subject
    from senet_nas.costs.priced import price

    min_hidden = given.get("min_hidden")
    sizes = {name: given.get(name) for name in ("image_size", "channels", "classes")}
    try:
        priced = price(what, placement, se, min_hidden, **sizes)
    except UserError as error:
        hint = error.hint or _runs_hint(what, runs)
        raise UserError(error.message, hint=hint, key=error.key, code=error.code) from error
    key = priced.architecture.key
    of_key, of_plain = (_builder(each, priced.image[0], priced.classes) for each in (key, _plain(key)))
    return Subject(of_key, of_plain, priced.image), priced.label, key, None


def _runs_hint(what: str, runs: Path) -> str:
    """What else might have been meant by a name that is no network."""
    names = run_folder.names(runs)
    guess = nearest(what, names)
    if guess:
        return f"did you mean the run `{guess}`?"
    return f"it is no run in {runs} either" + (f"; there are {', '.join(names)}" if names else ", which holds none")


def _builder(key: str, channels: int, classes: int) -> "partial[Any]":
    from senet_nas.network.build import build

    return partial(build, key, in_channels=channels, num_classes=classes)


def _plain(key: str) -> str:
    architecture = Architecture.parse(key)
    return Architecture.plain(architecture.backbone, len(architecture.blocks)).key
