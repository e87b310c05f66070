"""A network in every runtime and precision, side by side with plain: time, size, and accuracy on the same images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from senet_nas.costs import energy, runtimes
from senet_nas.costs.energy import Energy
from senet_nas.costs.runtimes import InRuntime
from senet_nas.costs.timing import Comparison, compare
from senet_nas.deploy import runtime_table
from senet_nas.deploy.deployed import Deployed, Forward, Wanted
from senet_nas.deploy.deploying import deploy
from senet_nas.deploy.paired_images import PairedImages, classes, paired
from senet_nas.deploy.precisions import CPU, PRECISIONS
from senet_nas.deploy.runtime_table import RUNTIMES, pairs
from senet_nas.quantised import Refused
from senet_nas.recipe import LatencySpec
from spaces.errors import UserError

Form = tuple[str, str]
REFERENCE: Form = ("eager", "fp32")


@dataclass(frozen=True)
class LabelledImages:
    """Images ``x`` (N, C, ...) with their classes, as files hold them; ``normalised`` makes inputs of a part of them.

    ``of`` says which images they are, and ``calibration`` are images of the training set.
    """

    x: Tensor
    labels: Tensor
    normalised: Callable[[Tensor], Tensor]
    calibration: Tensor
    of: str


@dataclass(frozen=True)
class Subject:
    """What is compared: a function that builds the network, and plain's; ``has_weights``: they were trained.

    Of plain itself both are the same function, and everything is made and measured once.
    """

    candidate: Callable[[], nn.Module]
    plain: Callable[[], nn.Module]
    shape: tuple[int, ...]
    has_weights: bool = False

    @property
    def is_plain(self) -> bool:
        return self.candidate == self.plain


@dataclass(frozen=True)
class FormResult:
    """What was measured of a form; ``refused`` says why a runtime cannot run it, and nothing was measured then.

    ``images`` compares its classes with those of the network in eager fp32, and ``plain_images`` those of plain's form
    with plain; both are None without trained weights. Sizes are in bytes. ``energy`` is None if it was not asked for,
    or a sentence that says why it is not known.
    """

    runtime: str
    precision: str
    time: Comparison | None = None
    size: int = 0
    plain_size: int = 0
    images: PairedImages | None = None
    plain_images: PairedImages | None = None
    refused: str = ""
    energy: Energy | str | None = None

    @property
    def name(self) -> str:
        return f"{self.runtime} {self.precision}"

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"runtime": self.runtime, "precision": self.precision}
        if self.refused or self.time is None:
            return {**found, "refused": self.refused}
        found |= {"latency": self.time.to_dict(), "size": self.size, "plain_size": self.plain_size}
        if self.energy is not None:
            found["energy"] = {"unknown": self.energy} if isinstance(self.energy, str) else self.energy.to_dict()
        if self.images is not None and self.plain_images is not None:
            found |= {"images": self.images.to_dict(), "plain_images": self.plain_images.to_dict()}
        return found


def forms(wanted: Sequence[str] = (), device: str = CPU) -> list[Form]:
    """The ``wanted`` runtimes, or all that are installed and run on a device, with their precisions."""
    for name in wanted:
        runtime_table.check(name, "fp32", key="--runtime")
    return [
        (name, precision)
        for name, precision in pairs()
        if (name in wanted if wanted else device in RUNTIMES[name].devices)
    ]


def measured(
    subject: Subject,
    chosen: Sequence[Form],
    spec: LatencySpec,
    images: LabelledImages | None,
    *,
    has_energy: bool = False,
) -> Iterator[FormResult]:
    """What is found of each form, one after the other. Raises UserError if nothing can be timed here.

    ``has_energy``: with joules, where the machine counts them.
    """
    tried = images if subject.has_weights else None
    truth = _reference(subject, tried) if tried is not None else None
    for runtime, precision in chosen:
        how = replace(spec, runtime=runtime, precision=cast(Any, precision))
        try:
            with runtimes.threads(spec.threads):
                yield _measured(subject, how, tried, truth, has_energy)
        except Refused as refused:
            yield FormResult(runtime, precision, refused=str(refused))
        except UserError as error:  # a runtime that does not work here, as torch.compile without a compiler
            yield FormResult(runtime, precision, refused=f"not here: {error.message}")


# -- inside -----------------------------------------------------------------------------------------------------------

# The classes that the network and plain give to each image in eager fp32.
Classes = tuple[Tensor, Tensor]


def _reference(subject: Subject, images: LabelledImages) -> Classes:
    runtime, precision = REFERENCE

    def of(network: Callable[[], nn.Module]) -> Tensor:
        deployed = deploy(network(), runtime, Wanted(subject.shape, precision))
        return classes(deployed.open(0), images.x, images.normalised)

    plain_N = of(subject.plain)
    return (plain_N if subject.is_plain else of(subject.candidate)), plain_N


def _measured(
    subject: Subject, how: LatencySpec, images: LabelledImages | None, truth: Classes | None, has_energy: bool
) -> FormResult:
    calibration = None if images is None else images.normalised(images.calibration)
    wanted = replace(runtimes.wanted(subject.shape, how), calibration=calibration)
    plain = InRuntime(subject.plain, how.runtime, wanted)
    candidate = plain if subject.is_plain else InRuntime(subject.candidate, how.runtime, wanted)
    found = FormResult(
        how.runtime,
        how.number_format,
        time=compare(plain.make, candidate.make, seconds=how.seconds, watch=runtimes.stopwatch(how)),
        size=candidate.deployed.size,
        plain_size=plain.deployed.size,
        energy=_energy(plain, candidate, how) if has_energy else None,
    )
    if images is None or truth is None or not RUNTIMES[how.runtime].any_batch:
        return found
    of_candidate = paired(truth[0], _on_images(candidate.deployed, how, images), images.labels)
    if subject.is_plain:
        return replace(found, images=of_candidate, plain_images=of_candidate)
    of_plain = paired(truth[1], _on_images(plain.deployed, how, images), images.labels)
    return replace(found, images=of_candidate, plain_images=of_plain)


def _energy(plain: InRuntime, candidate: InRuntime, how: LatencySpec) -> Energy | str:
    meter = energy.meter_of(runtimes.device_of(how).type)
    if isinstance(meter, str):
        return meter
    return energy.compare(plain.make, candidate.make, meter, images=how.batch, seconds=how.seconds)


def _on_images(deployed: Deployed, how: LatencySpec, images: LabelledImages) -> Tensor:
    """The class that a form gives to each image."""
    return classes(deployed.open(0), images.x, _typed(images.normalised, (how.runtime, how.number_format)))


def _typed(normalised: Forward, form: Form) -> Forward:
    """Inputs in the type that a form takes: those of PyTorch in its precision, files take float32."""
    runtime, precision = form
    dtype = PRECISIONS[precision]
    if RUNTIMES[runtime].writes_files or dtype is None:
        return normalised
    return lambda x: normalised(x).to(getattr(torch, dtype))
