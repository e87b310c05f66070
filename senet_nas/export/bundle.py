"""The network as files that run without this project, and the proof that they agree with what was trained."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from senet_nas.costs.timing import Comparison
from senet_nas.export import companions, manifest, proof
from senet_nas.export.forms import FORMS, Record, check_installed, shape
from senet_nas.export.proof import WEIGHTS, Labelled, Measured
from senet_nas.network.build import build, sites
from senet_nas.recipe import LatencySpec
from spaces import Architecture, UserError
from spaces.errors import ENVIRONMENT
from spaces.failpoints import failpoint

SCALE = 1 / 255  # from a byte to the unit interval, in which mean and std are given
_RECORD, _WEIGHTS, _PREDICT, _CARD = "architecture.json", WEIGHTS, "predict.py", "README.md"
ABOUT = {
    _CARD: "what this network is, what was measured, how to use it",
    _RECORD: "which network it is, and how its inputs are prepared",
    _WEIGHTS: "its weights",
    **{name: form.about for name, form in FORMS.items()},
    _PREDICT: "classes of {kind}: python predict.py FILE ...",
    manifest.NAME: "the SHA-256 of every file",
}


@dataclass(frozen=True)
class Exported:
    """Each file with a word about it, and how the forms that compute compare with the network that was given.

    ``differences`` holds the largest difference between two logits, ``accuracy`` percent of the labelled images,
    ``latency`` the time of each form beside the same form of the plain network.
    """

    directory: Path
    files: dict[str, str]
    differences: dict[str, float]
    accuracy: dict[str, float] = field(default_factory=dict)
    latency: dict[str, Comparison] = field(default_factory=dict)


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
    timing: LatencySpec | None = None,
    forms: Sequence[str] | None = None,
    force: bool = False,
    resize: int | None = None,
) -> Exported:
    """Write weights, record, model card, ``predict.py`` and the named FORMS (all installed ones), each one checked.

    ``input_shape`` is (C, H, W); ``mean`` and ``std`` are per channel, of pixels scaled to 0..1; ``extra`` is any JSON,
    ``card`` markdown about what was measured. ``labelled`` are uint8 images (N, C, H, W) with classes (N,), on which
    every form is tried as well; each form is timed beside the same form of the plain network as ``timing`` says, if it
    does. Everything is written and compared beside ``directory``, and appears there at once or
    not at all. ``force`` replaces an earlier export. ``resize``: the side at which files are read, of which the middle is
    cut out; that of the input unless given. Raises UserError: the target is in use, cannot be written, or a
    package is missing.
    """
    target = Path(directory).resolve()
    _check_target(target, force)
    chosen = tuple(forms) if forms is not None else tuple(name for name, form in FORMS.items() if not form.missing)
    for name in chosen:
        check_installed(name)
    if isinstance(architecture, str):
        architecture = Architecture.parse(architecture)
    network = proof.frozen(model)
    record = _record(
        architecture, input_shape=input_shape, mean=mean, std=std, classes=classes, extra=extra or {}, resize=resize
    )
    try:
        with _scratch(target) as work:
            differences, accuracy = _write(network, record, work, chosen, labelled)
            latency = _times(work, record, chosen, timing)
            found = Measured(differences, accuracy, latency, proof.timed_on(timing) if timing else {})
            _write_companions(record, card, found, work)
            failpoint("before_manifest")
            manifest.write(work, found.to_dict())
            failpoint("before_move")
            _move(work, target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error}", code=ENVIRONMENT) from error
    return Exported(target, _about(target, record), differences, accuracy, latency)


def load(directory: Path | str) -> nn.Module:
    """The network of an export, built by this project, in eval mode on the CPU.

    Raises UserError where the folder holds no whole export, or not the files that were exported.
    """
    folder = Path(directory)
    manifest.check(folder, (_RECORD, _WEIGHTS))
    try:
        return _read(folder)
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"the export in {folder} is damaged: {error}") from error


def _read(folder: Path) -> nn.Module:
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    channels, n_classes = record["preprocessing"]["channels"], len(record["classes"])
    network = build(record["architecture"], in_channels=channels, num_classes=n_classes)
    network.load_state_dict(load_file(folder / _WEIGHTS), strict=True)
    return network.eval()


def wanted(onnx: bool | None) -> list[str] | None:
    """The names of the forms to write: all of which the packages are installed (None), or as somebody wants ONNX."""
    return None if onnx is None else [name for name in FORMS if onnx or name != "model.onnx"]


def from_pixels(directory: Path | str) -> tuple[nn.Module, tuple[int, ...]]:
    """The network of an export that takes pixels on the scale 0..255 and normalises them itself, and the shape of one
    image. Raises UserError as :func:`load` does."""
    network = load(directory)
    record = json.loads((Path(directory) / _RECORD).read_text(encoding="utf-8"))
    return proof.FromPixels(network, record).eval(), shape(record)


# -- the target -------------------------------------------------------------------------------------------------------


def _check_target(target: Path, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; an export is a folder")
    if not target.exists() or not any(target.iterdir()):
        return
    if not force:
        raise UserError(
            f"{target} is not empty", hint="choose another folder, or replace it: --force (in Python: force=True)"
        )
    if not (target / _RECORD).is_file():
        raise UserError(f"{target} holds other files than an export; it is not replaced", hint="choose another folder")


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """An empty folder beside the target, gone afterwards together with what a killed export to it left behind."""
    prefix = f".{target.name}-export-"
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as folder:
        work = Path(folder) / "new"
        work.mkdir()
        yield work


def _move(work: Path, target: Path) -> None:
    """Put the finished folder in place at once."""
    if target.exists():
        target.rename(work.parent / "old")
    work.rename(target)


def _words(record: Record) -> dict[str, str]:
    """What each file is."""
    return {name: about.format(kind=companions.kind(shape(record))) for name, about in ABOUT.items()}


def _about(target: Path, record: Record) -> dict[str, str]:
    """The files of an export, each with its size and what it is."""
    words = _words(record)
    sizes = {name: (target / name).stat().st_size for name in ABOUT if (target / name).exists()}
    shown = {name: f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB" for name, size in sizes.items()}
    return {name: f"{words[name]}, {size}" for name, size in shown.items()}


# -- the files --------------------------------------------------------------------------------------------------------


def _record(
    architecture: Architecture,
    *,
    input_shape: tuple[int, ...],
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    extra: Mapping[str, Any],
    resize: int | None,
) -> dict[str, Any]:
    channels, *size = input_shape
    assert len(mean) == len(std) == channels, f"{channels} channels, {len(mean)} means, {len(std)} deviations"
    places = zip(sites(architecture.backbone), architecture.blocks, strict=True)
    return {
        "schema": 1,
        "architecture": architecture.key,
        "sites": [{"site": site.name, "stage": site.stage, "se": str(se) if se else None} for site, se in places],
        "preprocessing": {
            "formula": "(byte * scale - mean) / std",
            "channels": channels,
            "size": size,
            **({} if resize is None else {"resize": resize}),
            "scale": SCALE,
            "mean": [float(value) for value in mean],
            "std": [float(value) for value in std],
        },
        "classes": [str(name) for name in classes],
        "extra": dict(extra),
    }


def _write(
    network: nn.Module, record: Record, work: Path, forms: Sequence[str], labelled: Labelled | None
) -> tuple[dict[str, float], dict[str, float]]:
    """Record, weights and forms; the largest difference and the accuracy of each form."""
    (work / _RECORD).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    proof.put(network, record, work, forms=())
    inputs = list(proof.inputs(record, labelled))
    proof.agree("our own reading of it", network, _read(work), inputs, 0.0)
    differences, accuracy = {}, {}
    for name in forms:
        FORMS[name].write(network, record, work / name)
        written = FORMS[name].open(work)
        differences[name] = proof.agree(name, network, written, inputs, FORMS[name].tolerance)
        if labelled is not None:
            accuracy[name] = proof.accuracy(written, record, labelled)
    return differences, accuracy


def _times(work: Path, record: Record, forms: Sequence[str], spec: LatencySpec | None) -> dict[str, Comparison]:
    if spec is None:
        return {}
    beside = work.parent / "plain"
    beside.mkdir()
    return proof.timed(work, beside, record, forms, spec)


def _write_companions(record: Record, card: str, found: Measured, work: Path) -> None:
    body = "\n\n".join(part for part in (card, companions.measured(found)) if part)
    (work / _PREDICT).write_text(companions.predict(shape(record)), encoding="utf-8")
    files = {name: about for name, about in _words(record).items() if (work / name).exists()}
    (work / _CARD).write_text(companions.card(record, body, files), encoding="utf-8")
