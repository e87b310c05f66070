"""``senet-search profile``: what a placement costs over the plain backbone, counted, and on request measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from senet_nas.recipe import LatencySpec
from spaces.architecture import Architecture
from spaces.placements import label

if TYPE_CHECKING:
    from senet_nas.costs.timing import Comparison


@dataclass(frozen=True)
class Timing:
    """Measured side by side with plain: a forward pass, a training step in fp32, and peak memory of each in bytes."""

    forward: "Comparison"
    step: "Comparison"
    memory: Mapping[str, tuple[int, int]]
    measured_on: Mapping[str, object]

    def to_dict(self) -> dict[str, Any]:
        memory = {name.replace(" ", "_"): {"bytes": se, "plain": plain} for name, (se, plain) in self.memory.items()}
        timed = {"forward": self.forward.to_dict(), "training_step": self.step.to_dict()}
        return {**timed, "memory": memory, "measured_on": dict(self.measured_on)}

    def lines(self) -> list[str]:
        where = ", ".join(f"{key} {value}" for key, value in self.measured_on.items())
        rows = [_time_line("forward", self.forward), _time_line("step", self.step)]
        rows += [
            f"{name:<18}{se / 2**20:>10.2f} MiB   plain {plain / 2**20:>10.2f} MiB   {100 * (se / plain - 1):+.2f} %"
            for name, (se, plain) in self.memory.items()
        ]
        return [*rows, f"measured on {where}"]


def _time_line(name: str, found: "Comparison") -> str:
    low, high = (100 * (bound - 1) for bound in (found.low, found.high))
    return (
        f"{name:<18}{found.candidate_ms:>10.3f} ms    plain {found.plain_ms:>10.3f} ms    {found.overhead:+.2f} % "
        f"[{low:+.2f}, {high:+.2f}]   n = {found.n} rounds in {found.seconds:.0f} s"
    )


@dataclass(frozen=True)
class Profile:
    """Costs of one architecture. MACs are those of convolutions and linear layers; ``macs_paper`` counts as the SENet
    paper does, with pooling and scaling. Overheads in percent over plain."""

    architecture: str
    words: str
    image: tuple[int, ...]
    classes: int
    params: int
    params_plain: int
    params_overhead: float
    macs: int
    macs_plain: int
    macs_overhead: float
    macs_paper: int
    timing: Timing | None = None

    def to_dict(self) -> dict[str, Any]:
        found = {name: value for name, value in vars(self).items() if name != "timing"}
        return found if self.timing is None else {**found, "latency": self.timing.to_dict()}

    def lines(self) -> list[str]:
        size = "x".join(str(n) for n in self.image)
        return [
            f"{self.words}   (images {size}, {self.classes} classes)",
            f"params  {self.params:>16,}   plain {self.params_plain:>16,}   {self.params_overhead:+.2f} %",
            f"MACs    {self.macs:>16,}   plain {self.macs_plain:>16,}   {self.macs_overhead:+.3f} %",
            "MACs are of convolutions and linear layers; with SE's pooling and scaling, as the SENet paper counts: "
            f"{self.macs_paper:,}",
            *(self.timing.lines() if self.timing else ()),
            self.architecture,
        ]


def profile(
    target: str, placement: str, se: Mapping[str, str], min_hidden: int | None, *, image_size: int | None = None,
    channels: int | None = None, classes: int | None = None, latency: LatencySpec | None = None,
) -> Profile:  # fmt: skip
    """What ``networks.find`` finds. Builds nothing but the shapes, unless ``latency`` says on what to measure time, ``latency.seconds`` for each figure.

    Raises UserError for names and placements that do not exist.
    """
    from senet_nas.costs import overhead
    from senet_nas.network import build
    from senet_nas.network import published as networks

    architecture = networks.find(target, placement, se, min_hidden)
    backbone = architecture.backbone
    sites = build.sites(backbone)
    data = networks.usual(target, side=image_size, channels=channels, classes=classes)
    image = overhead.sample_shape(backbone, data.channels, data.side)
    prices = overhead.price_list(backbone, in_channels=data.channels, num_classes=data.classes, image_size=data.side)
    cost = prices.of(architecture)
    return Profile(
        architecture=architecture.key, words=label(architecture, sites), image=image,
        classes=data.classes, params=int(cost["params"]), params_plain=prices.plain["params"],
        params_overhead=cost["params_overhead"], macs=int(cost["macs"]), macs_plain=prices.plain["macs"],
        macs_overhead=cost["macs_overhead"], macs_paper=int(cost["macs_paper"]),
        timing=_timing(architecture, image, data.classes, latency) if latency else None,
    )  # fmt: skip


def _timing(architecture: Architecture, image: tuple[int, ...], classes: int, spec: LatencySpec) -> Timing:
    from senet_nas.costs import memory
    from senet_nas.costs import runtimes as latency
    from senet_nas.costs.timing import compare
    from senet_nas.network.build import build

    def network(key: Architecture) -> Any:
        return build(key, in_channels=image[0], num_classes=classes)

    def once(key: Architecture) -> Any:
        return lambda: latency.forward(network(key), image, spec)

    def trained(key: Architecture) -> Any:
        return lambda: latency.training_step(network(key), image, classes, spec)

    both = (Architecture.plain(architecture.backbone, len(architecture.blocks)), architecture)
    with latency.threads(spec.threads):
        forward, step = (compare(*map(make, both), seconds=spec.seconds) for make in (once, trained))
    plain, se = (network(a) for a in both)
    peaks = {
        "peak memory": (memory.inference(se, image, spec.batch), memory.inference(plain, image, spec.batch)),
        "peak of a step": (memory.training(se, image, spec.batch), memory.training(plain, image, spec.batch)),
    }
    return Timing(forward, step, peaks, latency.fingerprint(spec))
