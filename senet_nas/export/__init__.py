"""The network as files that run without this project, and the proof that they agree with what was trained."""

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from senet_nas.build import build, sites
from senet_nas.export import companions, manifest
from senet_nas.export.forms import FORMS, Forward, Record, check_installed, shape
from spaces import Architecture, UserError
from spaces.errors import ENVIRONMENT

SCALE = 1 / 255  # from a byte to the unit interval, in which mean and std are given
# So many of the labelled images are compared logit by logit; all of them are classified.
COMPARED = 64
_BATCH = 256
_RECORD, _WEIGHTS, _PREDICT, _CARD = "architecture.json", "model.safetensors", "predict.py", "README.md"
ABOUT = {
    _CARD: "what this network is, what was measured, how to use it",
    _RECORD: "which network it is, and how its images are prepared",
    _WEIGHTS: "its weights",
    **{name: form.about for name, form in FORMS.items()},
    _PREDICT: "classes of image files: python predict.py FILE ...",
    manifest.NAME: "the SHA-256 of every file",
}

Labelled = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Exported:
    """Each file with a word about it, and how the forms that compute compare with the network that was given.

    ``differences`` holds the largest difference between two logits, ``accuracy`` percent of the labelled images.
    """

    directory: Path
    files: dict[str, str]
    differences: dict[str, float]
    accuracy: dict[str, float] = field(default_factory=dict)


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
    forms: Sequence[str] | None = None,
    force: bool = False,
) -> Exported:
    """Write weights, record, model card, ``predict.py`` and the named FORMS (all installed ones), each one checked.

    ``input_shape`` is (C, H, W); ``mean`` and ``std`` are per channel, of pixels scaled to 0..1; ``extra`` is any JSON,
    ``card`` markdown about what was measured. ``labelled`` are uint8 images (N, C, H, W) with classes (N,), on which
    every form is tried as well. Everything is written and compared beside ``directory``, and appears there at once or
    not at all. ``force`` replaces an earlier export. Raises UserError: the target is in use, cannot be written, or a
    package is missing.
    """
    target = Path(directory).resolve()
    _check_target(target, force)
    chosen = tuple(forms) if forms is not None else tuple(name for name, form in FORMS.items() if not form.missing)
    for name in chosen:
        check_installed(name)
    if isinstance(architecture, str):
        architecture = Architecture.parse(architecture)
    network = _frozen(model)
    record = _record(architecture, input_shape=input_shape, mean=mean, std=std, classes=classes, extra=extra or {})
    try:
        with _scratch(target) as work:
            differences, accuracy = _write(network, record, work, chosen, labelled)
            _write_companions(record, card, accuracy, work)
            manifest.write(work)
            _move(work, target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error}", code=ENVIRONMENT) from error
    return Exported(target, _about(target), differences, accuracy)


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


# -- the target -------------------------------------------------------------------------------------------------------


def _check_target(target: Path, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; an export is a folder")
    if not target.exists() or not any(target.iterdir()):
        return
    if not force:
        raise UserError(f"{target} is not empty", hint="choose another folder, or force its replacement")
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


def _about(target: Path) -> dict[str, str]:
    """The files of an export, each with its size and what it is."""
    sizes = {name: (target / name).stat().st_size for name in ABOUT if (target / name).exists()}
    shown = {name: f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB" for name, size in sizes.items()}
    return {name: f"{ABOUT[name]}, {size}" for name, size in shown.items()}


# -- the files --------------------------------------------------------------------------------------------------------


def _frozen(model: nn.Module) -> nn.Module:
    """A copy for inference: fp32 on the CPU, every tensor contiguous."""
    return copy.deepcopy(model).cpu().float().to(memory_format=torch.contiguous_format).eval()


def _record(
    architecture: Architecture,
    *,
    input_shape: tuple[int, ...],
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    extra: Mapping[str, Any],
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
    # Not save_file, whose files only their owner may read.
    (work / _WEIGHTS).write_bytes(save(network.state_dict(), metadata={"architecture": record["architecture"]}))
    inputs = list(_inputs(record, labelled))
    _agree("our own reading of it", network, _read(work), inputs, 0.0)
    differences, accuracy = {}, {}
    for name in forms:
        FORMS[name].write(network, record, work / name)
        written = FORMS[name].open(work)
        differences[name] = _agree(name, network, written, inputs, FORMS[name].tolerance)
        if labelled is not None:
            accuracy[name] = _accuracy(written, record, labelled)
    return differences, accuracy


def _write_companions(record: Record, card: str, accuracy: Mapping[str, float], work: Path) -> None:
    measured = ", ".join(f"`{name}` {value:.2f} %" for name, value in accuracy.items())
    body = "\n\n".join(part for part in (card, measured and f"Accuracy, measured on these files: {measured}.") if part)
    (work / _PREDICT).write_text(companions.predict(shape(record)), encoding="utf-8")
    files = {name: about for name, about in ABOUT.items() if (work / name).exists()}
    (work / _CARD).write_text(companions.card(record, body, files), encoding="utf-8")


# -- the proof --------------------------------------------------------------------------------------------------------


def _inputs(record: Record, labelled: Labelled | None) -> Iterator[Tensor]:
    """Random inputs in batches of 1 and 3, and real ones."""
    generator = torch.Generator().manual_seed(0)
    for n in (1, 3):
        yield torch.randn(n, *shape(record), generator=generator)
    if labelled is not None:
        yield _normalise(labelled[0][:COMPARED], record)


def _normalise(x: Tensor, record: Record) -> Tensor:
    """As ``model.py`` does it: uint8 (N, C, ...) scaled to 0..1, less the mean, divided by the deviation."""
    wants = record["preprocessing"]
    mean, std = (torch.tensor(wants[name]).view(1, -1, *[1] * (x.ndim - 2)) for name in ("mean", "std"))
    return (x / 255 - mean) / std


def _agree(name: str, network: Forward, written: Forward, inputs: Sequence[Tensor], tolerance: float) -> float:
    """Largest difference of two networks' logits. Raises RuntimeError above the tolerance, or for another class."""
    with torch.inference_mode():
        pairs = [(network(x), written(x)) for x in inputs]
    difference = torch.cat([(ours - theirs).abs().flatten() for ours, theirs in pairs]).max().item()
    same = all(torch.equal(ours.argmax(1), theirs.argmax(1)) for ours, theirs in pairs)
    if not difference <= tolerance or not same:  # true of nan as well
        raise RuntimeError(f"{name} differs from the trained network by {difference}; nothing was written")
    return difference


def _accuracy(written: Forward, record: Record, labelled: Labelled) -> float:
    """Percent of the labelled images whose class a form finds."""
    x, y = labelled
    with torch.inference_mode():
        parts = zip(x.split(_BATCH), y.split(_BATCH), strict=True)
        right = sum(int((written(_normalise(part, record)).argmax(1) == classes).sum()) for part, classes in parts)
    return 100 * right / len(y)
