"""The proof that written files are the network: they give the same logits, and accuracy and time are the files' own."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from senet_nas.costs.runtimes import fingerprint, threads
from senet_nas.costs.timing import Call, Comparison, Make, compare
from senet_nas.data.batches import standardise
from senet_nas.export.forms import FORMS, Forward
from senet_nas.export.record import Record, shape
from senet_nas.network.build import build
from senet_nas.network.outputs import are_logits, tensors_of
from senet_nas.network.weights import separate
from senet_nas.recipe import LatencySpec
from senet_nas.user_code import evaluating
from spaces import Architecture

Labelled = tuple[Tensor, Tensor]
WEIGHTS = "model.safetensors"
# Labelled images whose logits are compared one by one; all labelled images are classified.
COMPARED = 64
# Images that are classified at once.
BATCH = 256


@dataclass(frozen=True)
class Measured:
    """What was measured of each form: the largest difference of a logit, accuracy in percent, and time beside plain.

    ``timed_on`` describes the machine; it is empty if nothing was timed. ``left_out`` says of forms that a network of
    the user's does not have why it lacks them. ``files`` is what :func:`senet_nas.export.file_proof.compare` found; it
    is empty without files. ``int8`` is what :func:`senet_nas.export.int8_forms.write` found.
    """

    differences: Mapping[str, float]
    accuracy: Mapping[str, float]
    latency: Mapping[str, Comparison]
    timed_on: Mapping[str, object]
    left_out: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    int8: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The measurements of each form, for the manifest."""
        found: dict[str, dict[str, Any]] = {name: {"difference": value} for name, value in self.differences.items()}
        for name, percent in self.accuracy.items():
            found[name]["accuracy"] = percent
        for name, comparison in self.latency.items():
            found[name]["latency"] = comparison.to_dict()
        int8 = {"int8": dict(self.int8)} if self.int8 else {}
        return {"forms": found, "timed_on": dict(self.timed_on), "files": dict(self.files), **int8}


def frozen(model: nn.Module) -> nn.Module:
    """A copy for inference: fp32 on the CPU, every tensor contiguous."""
    return evaluating(copy.deepcopy(model).cpu().float().to(memory_format=torch.contiguous_format))


def put(network: nn.Module, record: Record, folder: Path, forms: Sequence[str]) -> None:
    """Writes the weights and the named forms into a folder."""
    # Not with save_file, because only the owner may read its files.
    tensors = separate(network.state_dict())
    (folder / WEIGHTS).write_bytes(save(tensors, metadata={"architecture": record["architecture"]}))
    for name in forms:
        FORMS[name].write(network, record, folder / name)


# -- logits and accuracy ----------------------------------------------------------------------------------------------


def inputs(record: Record, labelled: Labelled | None) -> Iterator[Tensor]:
    """Batches of inputs to compare logits on: 1 and 3 random inputs, and labelled images if there are any."""
    generator = torch.Generator().manual_seed(0)
    for n in (1, 3):
        yield torch.randn(n, *shape(record), generator=generator)
    if labelled is not None:
        yield normalised(labelled[0][:COMPARED], record)


def agree(name: str, network: Forward, written: Forward, inputs: Sequence[Tensor], tolerance: float) -> float:
    """The largest difference of two networks' logits. Raises RuntimeError above the tolerance, or for another class.

    A segmenter or detector may return several tensors: all are compared.

    The tolerance holds for logits up to 1. Of larger logits (a network that was trained briefly may have thousands), it
    is a share of the largest, because that is how float32 rounds.
    """
    with torch.inference_mode():
        pairs = [pair for x in inputs for pair in zip(tensors_of(network(x)), tensors_of(written(x)), strict=True)]
    difference = torch.cat([(ours.float() - theirs.float()).abs().flatten() for ours, theirs in pairs]).max().item()
    largest = max(ours.float().abs().max().item() for ours, _ in pairs)
    same = all(torch.equal(ours.argmax(1), theirs.argmax(1)) for ours, theirs in pairs if ours.ndim > 1)
    if not difference <= tolerance * max(1.0, largest) or not same:  # "not <=" because a difference may be nan
        raise RuntimeError(f"{name} differs from the trained network by {difference}; nothing was written")
    return difference


def classifies(network: nn.Module, x: Tensor) -> bool:
    """Whether the network returns logits of classes for whole inputs, so that there is something to predict."""
    with torch.inference_mode():
        return are_logits(network(x), len(x))


def accuracy(written: Forward, record: Record, labelled: Labelled) -> float:
    """Percent of the labelled images that a form classifies correctly."""
    x, y_N = labelled
    correct = 0
    with torch.inference_mode():
        for begin in range(0, len(y_N), BATCH):
            part = slice(begin, begin + BATCH)
            found_N = written(normalised(x[part], record)).argmax(1)
            correct += int((found_N == y_N[part]).sum())
    return 100 * correct / len(y_N)


def normalised(x: Tensor, record: Record) -> Tensor:
    """Inputs (N, C, ...) normalised as in training, which ``normalise`` of ``model.py`` repeats to the last bit."""
    return standardise(x, record["preprocessing"]["mean"], record["preprocessing"]["std"])


# -- time -------------------------------------------------------------------------------------------------------------


def timed(folder: Path, beside: Path, record: Record, forms: Sequence[str], spec: LatencySpec) -> dict[str, Comparison]:
    """The time of each form in ``folder``, in turns with the same form of the plain network.

    The plain network is written into the folder ``beside``. On the CPU in fp32;
    ``spec`` gives batch, threads and the longest time for each form.
    """
    architecture = Architecture.parse(record["architecture"])
    plain = Architecture.plain(architecture.backbone, len(architecture.blocks))
    network = build(plain, in_channels=record["preprocessing"]["channels"], num_classes=len(record["classes"]))
    put(frozen(network), {**record, "architecture": plain.key}, beside, forms)
    x = torch.randn(spec.batch, *shape(record), generator=torch.Generator().manual_seed(0))
    with threads(spec.threads):
        return {
            name: compare(_opened(name, beside, x), _opened(name, folder, x), seconds=spec.seconds) for name in forms
        }


def timed_on(spec: LatencySpec) -> dict[str, object]:
    """The machine and the settings of :func:`timed`."""
    found = fingerprint(replace(spec, device="cpu", dtype="float32", precision=None, runtime="eager"))
    return {name: value for name, value in found.items() if name != "runtime"}


def _opened(form: str, folder: Path, x: Tensor) -> Make:
    """A function that opens a form as a user does, and returns its forward pass on x."""

    def make() -> Call:
        written = FORMS[form].open(folder)

        def call() -> None:
            with torch.inference_mode():
                written(x)

        return call

    return make
