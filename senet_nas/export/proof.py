"""The proof that written files are the network: the same logits, and accuracy and time of the files themselves."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from senet_nas.costs.runtimes import fingerprint, threads
from senet_nas.costs.timing import Call, Comparison, Make, compare
from senet_nas.export.forms import FORMS, Forward, Record, shape
from senet_nas.network.build import build
from senet_nas.recipe import LatencySpec
from spaces import Architecture

Labelled = tuple[Tensor, Tensor]
WEIGHTS = "model.safetensors"
# So many of the labelled images are compared logit by logit; all of them are classified.
COMPARED = 64
_BATCH = 256


@dataclass(frozen=True)
class Measured:
    """What was measured of each form: largest difference of logits, accuracy in percent, time beside plain's, and where."""

    differences: Mapping[str, float]
    accuracy: Mapping[str, float]
    latency: Mapping[str, Comparison]
    timed_on: Mapping[str, object]

    def to_dict(self) -> dict[str, Any]:
        """By form, for the manifest."""
        found: dict[str, dict[str, Any]] = {name: {"difference": value} for name, value in self.differences.items()}
        for name, percent in self.accuracy.items():
            found[name]["accuracy"] = percent
        for name, comparison in self.latency.items():
            found[name]["latency"] = comparison.to_dict()
        return {"forms": found, "timed_on": dict(self.timed_on)}


def frozen(model: nn.Module) -> nn.Module:
    """A copy for inference: fp32 on the CPU, every tensor contiguous."""
    return copy.deepcopy(model).cpu().float().to(memory_format=torch.contiguous_format).eval()


def put(network: nn.Module, record: Record, folder: Path, forms: Sequence[str]) -> None:
    """Writes weights and forms into a folder."""
    # Not save_file, whose files only their owner may read.
    (folder / WEIGHTS).write_bytes(save(network.state_dict(), metadata={"architecture": record["architecture"]}))
    for name in forms:
        FORMS[name].write(network, record, folder / name)


# -- logits and accuracy ----------------------------------------------------------------------------------------------


def inputs(record: Record, labelled: Labelled | None) -> Iterator[Tensor]:
    """Random inputs in batches of 1 and 3, and real ones."""
    generator = torch.Generator().manual_seed(0)
    for n in (1, 3):
        yield torch.randn(n, *shape(record), generator=generator)
    if labelled is not None:
        yield _normalise(labelled[0][:COMPARED], record)


def agree(name: str, network: Forward, written: Forward, inputs: Sequence[Tensor], tolerance: float) -> float:
    """Largest difference of two networks' logits. Raises RuntimeError above the tolerance, or for another class.

    The tolerance is of logits up to 1; of larger ones (a network that was trained briefly may have thousands) it is a share of
    the largest, as float32 rounds.
    """
    with torch.inference_mode():
        pairs = [(network(x), written(x)) for x in inputs]
    difference = torch.cat([(ours - theirs).abs().flatten() for ours, theirs in pairs]).max().item()
    largest = max(ours.abs().max().item() for ours, _ in pairs)
    same = all(torch.equal(ours.argmax(1), theirs.argmax(1)) for ours, theirs in pairs)
    if not difference <= tolerance * max(1.0, largest) or not same:  # true of nan as well
        raise RuntimeError(f"{name} differs from the trained network by {difference}; nothing was written")
    return difference


def accuracy(written: Forward, record: Record, labelled: Labelled) -> float:
    """Percent of the labelled images whose class a form finds."""
    x, y = labelled
    with torch.inference_mode():
        parts = zip(x.split(_BATCH), y.split(_BATCH), strict=True)
        right = sum(int((written(_normalise(part, record)).argmax(1) == classes).sum()) for part, classes in parts)
    return 100 * right / len(y)


class FromPixels(nn.Module):
    """A network behind the preparation of its images: pixels on the scale 0..255, (N, C, ...), to logits (N, K)."""

    def __init__(self, network: nn.Module, record: Record) -> None:
        super().__init__()
        self.network, self._record = network, record

    def forward(self, x: Tensor) -> Tensor:
        logits_NK: Tensor = self.network(_normalise(x, self._record))
        return logits_NK


def _normalise(x: Tensor, record: Record) -> Tensor:
    """As ``model.py`` does it: uint8 (N, C, ...) scaled to 0..1, less the mean, divided by the deviation."""
    wants = record["preprocessing"]
    mean, std = (torch.tensor(wants[name]).view(1, -1, *[1] * (x.ndim - 2)) for name in ("mean", "std"))
    return (x / 255 - mean) / std


# -- time -------------------------------------------------------------------------------------------------------------


def timed(folder: Path, beside: Path, record: Record, forms: Sequence[str], spec: LatencySpec) -> dict[str, Comparison]:
    """Each form in a folder, in turns with the same form of the plain network (written into ``beside`` if it is another).

    On the CPU in fp32; batch, threads and the longest time for each form are those of ``spec``.
    """
    architecture = Architecture.parse(record["architecture"])
    plain = Architecture.plain(architecture.backbone, len(architecture.blocks))
    if architecture.is_plain:
        beside = folder
    else:
        network = build(plain, in_channels=record["preprocessing"]["channels"], num_classes=len(record["classes"]))
        put(frozen(network), {**record, "architecture": plain.key}, beside, forms)
    x = torch.randn(spec.batch, *shape(record), generator=torch.Generator().manual_seed(0))
    with threads(spec.threads):
        return {
            name: compare(*(_opened(name, where, x) for where in (beside, folder)), seconds=spec.seconds)
            for name in forms
        }


def timed_on(spec: LatencySpec) -> dict[str, object]:
    """The machine of :func:`timed`."""
    found = fingerprint(replace(spec, device="cpu", dtype="float32"))
    return {name: value for name, value in found.items() if name != "runtime"}


def _opened(form: str, folder: Path, x: Tensor) -> Make:
    """A form as a user opens it, each time anew."""

    def make() -> Call:
        written = FORMS[form].open(folder)

        def call() -> None:
            with torch.inference_mode():
                written(x)

        return call

    return make
