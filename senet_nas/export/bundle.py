"""A network as files that run without this project, proven to agree with the trained network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from senet_nas.costs.timing import Comparison
from senet_nas.export import companions, file_proof, int8_forms, manifest, plugins, proof, record, target, timm_call
from senet_nas.export.forms import FORMS, check_installed, tolerance
from senet_nas.export.predict_program import predict
from senet_nas.export.proof import WEIGHTS, Labelled, Measured
from senet_nas.export.record import Record
from senet_nas.network.backbones.table import KEY, is_own, is_timm
from senet_nas.network.build import build
from senet_nas.recipe import LatencySpec
from senet_nas.user_code import evaluating, named, place_of, placed
from spaces import Architecture, UserError
from spaces.errors import ENVIRONMENT
from spaces.failpoints import failpoint

_CODE = "model.py"  # predict.py imports it
_PREDICT = "predict.py"
_CARD = "README.md"
ABOUT = {
    _CARD: "what this network is, what was measured, how to use it",
    record.NAME: "which network it is, and how its inputs are prepared",
    WEIGHTS: "its weights",
    **{name: form.about for name, form in FORMS.items()},
    **int8_forms.ABOUT,
    _PREDICT: "classes of {kind}: python predict.py PATH ...",
    timm_call.NAME: "the call of timm that builds the same network, for these weights",
    plugins.NAME: "the `plugins` of a ResNet of OpenMMLab, for these weights",
    manifest.NAME: "the SHA-256 of every file",
}


@dataclass(frozen=True)
class Exported:
    """The files of an export, each with its size and description, and what was measured of the forms that compute.

    ``differences`` holds the largest difference of a logit from the given network's, ``accuracy`` percent of the
    labelled images, ``latency`` the time of each form beside the same form of the plain network. ``left_out`` says why
    a network of the user's lacks a form.
    """

    directory: Path
    files: dict[str, str]
    differences: dict[str, float]
    accuracy: dict[str, float] = field(default_factory=dict)
    latency: dict[str, Comparison] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    int8: dict[str, Any] = field(default_factory=dict)


def export(
    model: nn.Module,
    architecture: Architecture | str,
    directory: Path | str,
    *,
    input_shape: tuple[int, ...],
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    extra: Mapping[str, Any] | None = None,
    card: str = "",
    labelled: Labelled | None = None,
    files: Sequence[Path] = (),
    timing: LatencySpec | None = None,
    forms: Sequence[str] | None = None,
    force: bool = False,
    resize: int | None = None,
    white: float = 255.0,
    calibration: Tensor | None = None,
) -> Exported:
    """Writes weights, record, model card, ``predict.py`` and the named FORMS (all installed ones), each one checked.

    ``input_shape``: (C, H, W) or (C, L). ``mean`` and ``std``: of each channel, of pixels scaled to 0..1.
    ``extra``: any JSON for the record. ``card``: markdown about what was measured.
    ``labelled``: uint8 images (N, C, H, W) with classes (N,), on which every form is tried as well.
    ``files``: the image files of the first of these images, which ``predict.py`` must read as the training did.
    ``timing``: times each form beside the same form of the plain network, unless the network is plain.
    ``resize``: side in pixels to which image files are resized before the centre crop; by default that of the input.
    ``white``: the level of image files with more than one byte per value that becomes 255. ``force``: replaces an
    earlier export.
    ``calibration``: training images (N, C, H, W), with which INT8 forms are written and proven on the labelled images.

    The files are written and compared beside ``directory``, which appears complete or not at all. Raises UserError if
    the directory is in use or cannot be written, or if a package is missing; RuntimeError if a form differs.
    """
    target.check(place := Path(directory).resolve(), force)
    chosen = _chosen(forms)
    network = proof.frozen(model)
    about = record.describe(
        Architecture.parse(architecture) if isinstance(architecture, str) else architecture,
        input_shape=input_shape,
        mean=mean,
        std=std,
        classes=classes,
        extra=extra or {},
        resize=resize,
        white=white,
    )
    try:
        with target.workspace(place) as work:
            measured = _write(network, about, work, chosen, labelled, timing)
            with_files = _with_files(measured, work, network, about, labelled, files)
            measured = _with_int8(with_files, work, network, about, labelled, calibration)
            _complete(about, "\n\n".join(filter(None, (card, _elsewhere(network, about, work)))), measured, work)
            target.move(work, place)
    except OSError as error:
        if where := place_of(error):
            raise UserError(f"the network failed with {named(error)}{where}", key=KEY) from error
        raise _unwritable(place, error) from error
    return _exported(place, about, measured)


def _unwritable(place: Path, error: OSError) -> UserError:
    hint = "make room or ask for permission there, or choose another folder"
    return UserError(f"cannot write {place}: {error.strerror or error}", hint=hint, code=ENVIRONMENT)


def load(directory: Path | str) -> nn.Module:
    """The network of an export, built by this project, in eval mode on the CPU.

    Raises UserError if the folder holds no complete export, or if its files were changed.
    """
    folder = Path(directory)
    manifest.check(folder, (record.NAME, WEIGHTS))
    try:
        return _read(folder)
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"the export in {folder} is damaged: {error}") from error


def wanted(onnx: bool | None) -> list[str] | None:
    """The names of the forms to write, with or without ONNX; None, for all installed ones, if ``onnx`` is None."""
    if onnx is None:
        return None
    return [name for name in FORMS if onnx or name != "model.onnx"]


# -- inside -----------------------------------------------------------------------------------------------------------


def _exported(place: Path, about: Mapping[str, Any], measured: Measured) -> Exported:
    return Exported(
        directory=place,
        files=_files(place, about),
        differences=dict(measured.differences),
        accuracy=dict(measured.accuracy),
        latency=dict(measured.latency),
        left_out=dict(measured.left_out),
        int8=dict(measured.int8),
    )


def _chosen(forms: Sequence[str] | None) -> tuple[str, ...]:
    """The forms to write. Raises UserError if the packages of one are missing."""
    if forms is None:
        return tuple(name for name, form in FORMS.items() if not form.missing)
    for name in forms:
        check_installed(name)
    return tuple(forms)


def _write(
    network: nn.Module,
    about: Record,
    work: Path,
    forms: Sequence[str],
    labelled: Labelled | None,
    timing: LatencySpec | None,
) -> Measured:
    """Writes record, weights, forms and ``predict.py``, and measures each form."""
    record.write(work, about)
    proof.put(network, about, work, forms=())
    inputs = list(proof.inputs(about, labelled))
    proof.agree("our own reading of it", network, _read(work), inputs, 0.0)
    differences: dict[str, float] = {}
    accuracy: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for name in forms:
        try:
            FORMS[name].write(network, about, work / name)
            written = FORMS[name].open(work)
            differences[name] = proof.agree(name, network, written, inputs, tolerance(name, about))
        except Exception as error:  # torch.fx and torch.export call the user's code, which may throw anything
            left_out[name] = _missing_form(about, work / name, error)
            continue
        if labelled is not None:
            accuracy[name] = proof.accuracy(written, about, labelled)
    if forms and not differences:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise UserError(f"this network cannot be exported ({reasons})", key=KEY)
    if proof.classifies(network, inputs[0]):
        (work / _PREDICT).write_text(predict(record.shape(about)), encoding="utf-8")
    times = _times(work, about, list(differences), timing)
    timed_on = proof.timed_on(timing) if timing and times else {}
    return Measured(differences, accuracy, times, timed_on, left_out)


def _with_files(
    measured: Measured,
    work: Path,
    network: nn.Module,
    about: Record,
    labelled: Labelled | None,
    files: Sequence[Path],
) -> Measured:
    """What was measured, and how ``predict.py`` reads the files of the first labelled images, if it can."""
    if labelled is None or not files or _CODE not in measured.differences:
        return measured
    images = labelled[0][: len(files)]
    return replace(measured, files=file_proof.compare(work, network, about, images, files))


def _with_int8(
    measured: Measured,
    work: Path,
    network: nn.Module,
    about: Record,
    labelled: Labelled | None,
    calibration: Tensor | None,
) -> Measured:
    """What was measured, and the proof of the INT8 forms, if there are images to calibrate and to prove them."""
    if labelled is None or calibration is None:
        return measured
    return replace(measured, int8=int8_forms.write(network, about, work, calibration, labelled))


def _missing_form(about: Record, path: Path, error: Exception) -> str:
    """Why a network of the user's does not have a form. An error about any other network is raised again."""
    if not is_own(about["architecture"].partition("/")[0]) or (isinstance(error, OSError) and not place_of(error)):
        raise error
    path.unlink(missing_ok=True)
    return placed(error)


def _elsewhere(network: nn.Module, about: Record, work: Path) -> str:
    """Writes how timm and OpenMMLab build the network. Returns a sentence for each that knows it and cannot."""
    lines = []
    if is_timm(about["architecture"]) and (why := timm_call.write(network, about, work)):
        lines.append(f"There is no `{timm_call.NAME}`: {why}.")
    if why := plugins.write(network, about, work):
        lines.append(f"There is no `{plugins.NAME}`: {why}.")
    return "\n".join(lines)


def _read(folder: Path) -> nn.Module:
    about = record.read(folder)
    channels = about["preprocessing"]["channels"]
    network = build(about["architecture"], in_channels=channels, num_classes=len(about["classes"]))
    network.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    return evaluating(network)


def _times(work: Path, about: Record, forms: Sequence[str], spec: LatencySpec | None) -> dict[str, Comparison]:
    """The time of each form beside plain; empty for plain, which would be compared with itself."""
    if spec is None or Architecture.parse(about["architecture"]).is_plain:
        return {}
    beside = work.parent / "plain"
    beside.mkdir()
    return proof.timed(work, beside, about, forms, spec)


def _complete(about: Record, card: str, measured: Measured, work: Path) -> None:
    """Writes the model card, and at last the manifest."""
    body = "\n\n".join(part for part in (card, companions.measured(measured)) if part)
    files = {name: text for name, text in _descriptions(about).items() if (work / name).exists()}
    (work / _CARD).write_text(companions.card(about, body, files), encoding="utf-8")
    failpoint("before_manifest")
    manifest.write(work, measured.to_dict())
    failpoint("before_move")


def _files(folder: Path, about: Record) -> dict[str, str]:
    """The files of an export, each with its description and size."""
    described = _descriptions(about).items()
    return {name: f"{text}, {_size(folder / name)}" for name, text in described if (folder / name).exists()}


def _descriptions(about: Record) -> dict[str, str]:
    kind = companions.kind(record.shape(about))
    return {name: text.format(kind=kind) for name, text in ABOUT.items()}


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
