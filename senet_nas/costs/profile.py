"""What a placement costs over the plain backbone: counted, and on request measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from senet_nas.costs import target_lint
from senet_nas.costs.measures import Measure, counted
from senet_nas.costs.priced import Priced
from senet_nas.deploy.targets import Finding
from senet_nas.recipe import LatencySpec
from spaces.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

    from senet_nas.costs.timing import Comparison, Make


# What stands beside the time of another runtime.
IN_TRAINING = "step and peak memory are those of PyTorch, which trains the network"


@dataclass(frozen=True)
class Timing:
    """A forward pass and a training step in fp32, timed beside plain; peak memory of (architecture, plain) in bytes."""

    forward: "Comparison"
    step: "Comparison"
    memory: Mapping[str, tuple[int, int]]
    measured_on: Mapping[str, object]

    def to_dict(self) -> dict[str, Any]:
        memory = {name.replace(" ", "_"): {"bytes": se, "plain": plain} for name, (se, plain) in self.memory.items()}
        return {
            "forward": self.forward.to_dict(),
            "training_step": self.step.to_dict(),
            "memory": memory,
            "measured_on": dict(self.measured_on),
        }

    def lines(self) -> list[str]:
        """The measurements as text."""
        where = ", ".join(f"{key} {value}" for key, value in self.measured_on.items())
        rows = [_time_line("forward", self.forward), _time_line("step", self.step)]
        rows += [
            f"{name:<18}{se / 2**20:>10.2f} MiB   plain {plain / 2**20:>10.2f} MiB   {100 * (se / plain - 1):+.2f} %"
            for name, (se, plain) in self.memory.items()
        ]
        in_training = [] if self.measured_on.get("runtime") == "eager" else [IN_TRAINING]
        return [*rows, *in_training, f"measured on {where}"]


def _time_line(name: str, found: "Comparison") -> str:
    low = 100 * (found.low - 1)
    high = 100 * (found.high - 1)
    return (
        f"{name:<18}{found.candidate_ms:>10.3f} ms    plain {found.plain_ms:>10.3f} ms    {found.overhead:+.2f} % "
        f"[{low:+.2f}, {high:+.2f}]   n = {found.n} rounds in {found.seconds:.0f} s"
    )


@dataclass(frozen=True)
class Profile:
    """The costs of one architecture, by column, and those of plain; overheads are in percent over plain.

    MACs are those of convolutions and linear layers; ``macs_paper`` counts as the SENet paper does, with pooling and
    scaling.
    """

    architecture: str
    words: str
    image: tuple[int, ...]
    classes: int
    costs: Mapping[str, float]
    plain: Mapping[str, float]
    timing: Timing | None = None
    targets: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "architecture": self.architecture,
            "words": self.words,
            "image": self.image,
            "classes": self.classes,
        }
        for measure in counted():
            found[measure.column] = int(self.costs[measure.column])
            found[f"{measure.column}_plain"] = int(self.plain[measure.column])
            found[measure.overhead] = self.costs[measure.overhead]
        found["macs_paper"] = int(self.costs["macs_paper"])
        if self.targets:
            found["targets"] = [finding.to_dict() for finding in self.targets]
        if self.timing is not None:
            found["latency"] = self.timing.to_dict()
        return found

    def lines(self) -> list[str]:
        """The costs as text."""
        size = "x".join(str(n) for n in self.image)
        return [
            f"{self.words}   (images {size}, {self.classes} classes)",
            *(self._line(measure) for measure in counted()),
            "MACs are of convolutions and linear layers; with SE's pooling and scaling, as the SENet paper counts: "
            f"{self.costs['macs_paper']:,.0f}",
            *(self.timing.lines() if self.timing else ()),
            *(finding.line() for finding in self.targets),
            self.architecture,
        ]

    def _line(self, measure: Measure) -> str:
        cost = measure.shown(self.costs[measure.column])
        plain = measure.shown(self.plain[measure.column])
        return f"{measure.short:<8}{cost:>16}   plain {plain:>16}   {self.costs[measure.overhead]:+.3f} %"


def profile(found: Priced, latency: LatencySpec | None = None, targets: Sequence[str] = ()) -> Profile:
    """The costs of a priced architecture, and what ``targets`` are known to refuse of it.

    Nothing is built unless ``latency`` is given: it says on what to measure time, and for how long. Raises UserError.
    """
    return Profile(
        architecture=found.architecture.key,
        words=found.label,
        image=found.image,
        classes=found.classes,
        costs=found.costs,
        plain=found.prices.plain,
        timing=_timing(found, latency) if latency else None,
        targets=tuple(target_lint.of_architectures([found.architecture], found.prices, targets)),
    )


def _timing(found: Priced, spec: LatencySpec) -> Timing:
    from senet_nas.costs import memory, runtimes
    from senet_nas.costs.timing import compare
    from senet_nas.network.build import build

    architecture = found.architecture
    plain = Architecture.plain(architecture.backbone, len(architecture.blocks))

    def network(key: Architecture) -> "nn.Module":
        return build(key, in_channels=found.image[0], num_classes=found.classes)

    def forward(key: Architecture) -> "Make":
        return runtimes.maker(lambda: network(key), found.image, spec)

    def step(key: Architecture) -> "Make":
        return lambda: runtimes.training_step(network(key), found.image, found.classes, spec)

    def peaks(count: "Callable[[nn.Module, tuple[int, ...], int], int]") -> tuple[int, int]:
        with_se, without = (count(network(key), found.image, spec.batch) for key in (architecture, plain))
        return with_se, without

    with runtimes.threads(spec.threads):
        return Timing(
            forward=compare(
                forward(plain), forward(architecture), seconds=spec.seconds, watch=runtimes.stopwatch(spec)
            ),
            step=compare(step(plain), step(architecture), seconds=spec.seconds),
            memory={"peak memory": peaks(memory.inference), "peak of a step": peaks(memory.training)},
            measured_on=runtimes.fingerprint(spec),
        )
