"""The network as files that run without this project, and the proof that they agree with what was trained."""

import copy
import importlib.util
import json
import runpy
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from senet_nas.build import build, sites
from senet_nas.source import code
from spaces import Architecture, UserError
from spaces.errors import ENVIRONMENT

ONNX_TOLERANCE = 1e-4
SCALE = 1 / 255  # from a byte to the unit interval, in which mean and std are given
_RECORD, _WEIGHTS, _CODE, _ONNX = "architecture.json", "model.safetensors", "model.py", "model.onnx"
ABOUT = {
    _RECORD: "which network it is, and how its images are prepared",
    _WEIGHTS: "its weights",
    _CODE: "plain PyTorch that loads them without this project",
    _ONNX: "the same for onnxruntime, any batch size",
}

Shape = tuple[int, int, int]
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """Each file with a word about it, and how far the forms that compute are from the network that was given.

    A difference is the largest one between two logits; ``model.py`` and ``model.safetensors`` are one form.
    """

    directory: Path
    files: dict[str, str]
    differences: dict[str, float]


def export(
    model: nn.Module,
    architecture: Architecture | str,
    directory: Path | str,
    *,
    input_shape: Shape,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    extra: Mapping[str, Any] | None = None,
    onnx: bool = False,
    force: bool = False,
) -> Exported:
    """Write ``architecture.json``, ``model.safetensors``, ``model.py`` and, on request, ``model.onnx``, all checked.

    ``input_shape`` is (C, H, W); ``mean`` and ``std`` are per channel, of pixels scaled to 0..1; ``extra`` is any JSON.
    Everything is written and compared beside ``directory``, and appears there at once or not at all. ``force`` replaces
    an earlier export. Raises UserError: the target is in use, cannot be written, or a package for ONNX is missing.
    """
    target = Path(directory).resolve()
    _check_target(target, force)
    if onnx:
        _check_onnx_packages()
    if isinstance(architecture, str):
        architecture = Architecture.parse(architecture)
    network = _frozen(model)
    record = _record(architecture, input_shape=input_shape, mean=mean, std=std, classes=classes, extra=extra or {})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            work = Path(scratch) / "new"
            work.mkdir()
            _write(network, record, work)
            differences = {_CODE: _checked(network, work, input_shape)}
            if onnx:
                differences[_ONNX] = _write_onnx(network, work, input_shape)
            _move(work, target, Path(scratch) / "old")
    except OSError as error:
        raise UserError(f"cannot write {target}: {error}", code=ENVIRONMENT) from error
    return Exported(target, _about(target), differences)


def load(directory: Path | str) -> nn.Module:
    """The network of an export, built by this project, in eval mode on the CPU. Raises UserError."""
    folder = Path(directory)
    for name in (_RECORD, _WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no export: {name} is missing", hint="`senet-search export` writes one")
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


def _move(work: Path, target: Path, old: Path) -> None:
    """Put the finished folder in place at once."""
    if target.exists():
        target.rename(old)
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
    input_shape: Shape,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    channels, height, width = input_shape
    assert len(mean) == len(std) == channels, f"{channels} channels, {len(mean)} means, {len(std)} deviations"
    places = zip(sites(architecture.backbone), architecture.blocks, strict=True)
    return {
        "schema": 1,
        "architecture": architecture.key,
        "sites": [{"site": site.name, "stage": site.stage, "se": str(se) if se else None} for site, se in places],
        "preprocessing": {
            "formula": "(byte * scale - mean) / std",
            "channels": channels,
            "size": [height, width],
            "scale": SCALE,
            "mean": [float(value) for value in mean],
            "std": [float(value) for value in std],
        },
        "classes": [str(name) for name in classes],
        "extra": dict(extra),
    }


def _write(network: nn.Module, record: Mapping[str, Any], work: Path) -> None:
    (work / _RECORD).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    # Not save_file, whose files only their owner may read.
    (work / _WEIGHTS).write_bytes(save(network.state_dict(), metadata={"architecture": record["architecture"]}))
    (work / _CODE).write_text(code(network, record), encoding="utf-8")


# -- the proof --------------------------------------------------------------------------------------------------------


def _checked(network: nn.Module, work: Path, input_shape: Shape) -> float:
    """Largest difference of ``model.py`` and of our own ``load`` from the network. RuntimeError unless it is 0."""
    written = runpy.run_path(str(work / _CODE))["load"](work)
    differences = [_difference(network, other, input_shape) for other in (written, _read(work))]
    if differences != [0, 0]:  # true of nan as well
        raise RuntimeError(f"the exported network differs from the trained one by {differences}; nothing was written")
    return max(differences)


def _write_onnx(network: nn.Module, work: Path, input_shape: Shape) -> float:
    """Write ``model.onnx`` with a free batch size; its largest difference, by onnxruntime. Raises RuntimeError."""
    import onnxruntime

    path = work / _ONNX
    _to_onnx(network, path, input_shape)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(x_NCHW: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"images": x_NCHW.numpy()})[0])

    difference = _difference(network, run, input_shape)
    if not difference <= ONNX_TOLERANCE or not _same_classes(network, run, input_shape):
        raise RuntimeError(f"the ONNX network differs from the trained one by {difference}; nothing was written")
    return difference


def _to_onnx(network: nn.Module, path: Path, input_shape: Shape) -> None:
    example = torch.zeros(2, *input_shape)  # of two images: a batch of one would become a constant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=True,
            external_data=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )


def _check_onnx_packages() -> None:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"ONNX needs {', '.join(missing)}, not installed here; nothing was written",
            hint="pip install 'senet-search[onnx]'",
        )


def _difference(network: Forward, other: Forward, input_shape: Shape) -> float:
    """Largest absolute difference of two networks' logits; nan where one of them is."""
    pairs = _outputs(network, other, input_shape)
    return torch.cat([(ours - theirs).abs().flatten() for ours, theirs in pairs]).max().item()


def _same_classes(network: Forward, other: Forward, input_shape: Shape) -> bool:
    pairs = _outputs(network, other, input_shape)
    return all(torch.equal(ours.argmax(1), theirs.argmax(1)) for ours, theirs in pairs)


def _outputs(network: Forward, other: Forward, input_shape: Shape) -> list[tuple[Tensor, Tensor]]:
    """Logits of both for random inputs, in batches of 1 and 3."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        batches = [torch.randn(n, *input_shape, generator=generator) for n in (1, 3)]
        return [(network(x_NCHW), other(x_NCHW)) for x_NCHW in batches]
