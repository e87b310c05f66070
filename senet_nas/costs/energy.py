"""Joules of a forward pass beside plain's, where the machine counts them: RAPL for the CPU, NVML for an NVIDIA GPU.

The counters are those of the whole chip: its idle power and other programs are in them. Like times, energies are
measured in turns (plain, candidate, candidate, plain), and both networks are made again in each round.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from senet_nas import nvidia
from senet_nas.costs.timing import Call, Make, made
from senet_nas.deploy.precisions import CPU
from senet_nas.student import mean_with_reach

# Where Linux shows the counters of RAPL (docs.kernel.org/power/powercap/powercap.html).
POWERCAP = Path("/sys/class/powercap")
# Seconds of a turn: NVML renews its counter about ten times a second.
BURST_SECONDS = 0.5
LEAST_ROUNDS = 3
LEVEL = 0.95


@dataclass(frozen=True)
class Meter:
    """Counters in joules: ``read`` gives their values now, and a counter begins again at 0 after its ``range``."""

    name: str
    read: Callable[[], Sequence[float]]
    ranges: Sequence[float]

    def joules(self, before: Sequence[float], after: Sequence[float]) -> float:
        """What was used between two readings."""
        pairs = zip(before, after, self.ranges, strict=True)
        return sum(late - early if late >= early else late - early + whole for early, late, whole in pairs)


@dataclass(frozen=True)
class Energy:
    """Joules per image of the candidate and of plain, and their ratio with its interval, from ``n`` rounds."""

    candidate_j: float
    plain_j: float
    ratio: float
    low: float
    high: float
    n: int
    meter: str

    @property
    def overhead(self) -> float:
        """The candidate's additional energy, in percent over plain."""
        return 100 * (self.ratio - 1)

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "overhead": self.overhead}


def meter_of(device: str, powercap: Path = POWERCAP) -> Meter | str:
    """The meter of what runs on a device, or why there is none."""
    if device != CPU:
        if not _of_gpu():
            return "NVML does not report the energy of this GPU (package nvidia-ml-py; Volta and later)"
        return Meter("NVML", _of_gpu, (math.inf,))
    packages = [path for path in sorted(powercap.glob("*rapl:*")) if _text(path / "name").startswith("package")]
    if not packages:
        return f"this machine shows no RAPL counters in {powercap}"
    files = [path / "energy_uj" for path in packages]
    if not all(_text(file) for file in files):
        return f"{files[0]} cannot be read: only root may, unless it is allowed (chmod a+r)"
    ranges = [float(_text(path / "max_energy_range_uj") or math.inf) / 1e6 for path in packages]
    return Meter("RAPL", lambda: [float(_text(file)) / 1e6 for file in files], ranges)


def compare(
    plain: Make,
    candidate: Make,
    meter: Meter,
    *,
    images: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Energy | str:
    """The energy of passes of ``images`` images, in rounds until ``seconds`` are over, or why it is not known."""
    began = clock()
    rounds: list[tuple[float, float]] = []
    while len(rounds) < LEAST_ROUNDS or clock() - began < seconds:
        calls = made(plain, candidate)
        for call in calls:
            call()
        a, b, c, d = (_burst(calls[which], meter, clock) for which in (0, 1, 1, 0))
        if min(a, b, c, d) <= 0:
            return f"the counter of {meter.name} did not move within {BURST_SECONDS:g} s"
        rounds.append(((a + d) / 2 / images, (b + c) / 2 / images))
    return _summary(np.array(rounds), meter)


# -- inside -----------------------------------------------------------------------------------------------------------


def _of_gpu() -> list[float]:
    """The joules that the first visible GPU has used since its driver was loaded; empty if nothing tells them."""
    return [gpu.joules for gpu in nvidia.visible()[:1] if gpu.joules is not None]


def _text(path: Path) -> str:
    """The content of a small file; empty if it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _burst(call: Call, meter: Meter, clock: Callable[[], float]) -> float:
    """Joules of a call, over calls that take BURST_SECONDS."""
    calls = 0
    began = clock()
    before = meter.read()
    while calls == 0 or clock() - began < BURST_SECONDS:
        call()
        calls += 1
    return meter.joules(before, meter.read()) / calls


def _summary(joules_N2: np.ndarray, meter: Meter) -> Energy:
    """The geometric mean of the rounds' ratios with Student's interval."""
    centre, reach = mean_with_reach(np.log(joules_N2[:, 1] / joules_N2[:, 0]), LEVEL)
    plain_j, candidate_j = (float(value) for value in np.median(joules_N2, axis=0))
    ratio, low, high = (math.exp(value) for value in (centre, centre - reach, centre + reach))
    return Energy(candidate_j, plain_j, ratio, low, high, len(joules_N2), meter.name)
