"""What a training takes of its GPU, by the driver of the GPU: the share of the time it is busy, memory, energy."""

import statistics
import threading
from collections.abc import Callable, Mapping
from typing import Any

from senet_nas import nvidia
from senet_nas.nvidia import Gpu

# The columns of a training: percent of the time, gigabytes at the peak of the whole GPU, and watt-hours.
BUSY = "gpu_busy"
MEMORY = "gpu_memory_gb"
ENERGY = "gpu_energy_wh"
COLUMNS = (BUSY, MEMORY, ENERGY)
# Seconds between two looks: nvidia-smi takes a tenth of a second of a core where NVML is not installed.
LOOK_SECONDS = 5.0
_GB = 1e9
_JOULES = 3600

Look = Callable[[], tuple[Gpu, ...]]


class GpuMeter:
    """Looks at the GPUs of this process while a training runs: a context. Without a GPU it finds nothing.

    ``share``: the part of the GPU that the training has; the same part of the energy is counted as its own.
    """

    def __init__(self, share: float, look: Look = nvidia.visible, seconds: float = LOOK_SECONDS) -> None:
        self._share = min(1.0, share)
        self._look = look
        self._seconds = seconds
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: list[tuple[Gpu, ...]] = []

    def __enter__(self) -> "GpuMeter":
        """The training begins."""
        if self._share > 0:
            self._seen.append(self._look())
            if self._seen[0]:
                self._thread = threading.Thread(target=self._watch, name="gpu meter", daemon=True)
                self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    @property
    def name(self) -> str:
        """The names of the GPUs; empty without any."""
        return ", ".join(dict.fromkeys(gpu.name for gpu in self._seen[0])) if self._seen else ""

    def figures(self) -> dict[str, float]:
        """The columns from the beginning until now, as far as the driver tells; the meter then stops."""
        self._end()
        if not self._seen or not self._seen[0]:
            return {}
        self._seen.append(self._look())
        found = {BUSY: _busy(self._seen[1:]), MEMORY: _memory(self._seen), ENERGY: self._energy()}
        return {name: value for name, value in found.items() if value is not None}

    # -- inside -------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._is_over.wait(self._seconds):
            self._seen.append(self._look())

    def _end(self) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _energy(self) -> float | None:
        """Watt-hours by the counters of the GPUs; None where one has none."""
        first, last = ({gpu.uuid: gpu.joules for gpu in seen} for seen in (self._seen[0], self._seen[-1]))
        spent = 0.0
        for uuid, before in first.items():
            after = last.get(uuid)
            if before is None or after is None:
                return None
            spent += after - before
        return self._share * spent / _JOULES


def system_metrics(found: tuple[Gpu, ...]) -> dict[str, float]:
    """What GPUs do now, under the names that MLflow gives to system metrics."""
    values: dict[str, float | None] = {}
    for i, gpu in enumerate(found):
        values[f"system/gpu_{i}_utilization_percentage"] = gpu.busy
        values[f"system/gpu_{i}_memory_usage_megabytes"] = gpu.used / 1e6
        values[f"system/gpu_{i}_memory_usage_percentage"] = 100 * gpu.used / gpu.memory if gpu.memory else None
        values[f"system/gpu_{i}_power_usage_watts"] = gpu.watts
    return {name: value for name, value in values.items() if value is not None}


def energy(metrics: Mapping[str, Any]) -> float:
    """The watt-hours of a training; 0 if they are not known."""
    return float(metrics.get(ENERGY, 0.0))


def _busy(looks: list[tuple[Gpu, ...]]) -> float | None:
    known = [gpu.busy for seen in looks for gpu in seen if gpu.busy is not None]
    return statistics.fmean(known) if known else None


def _memory(looks: list[tuple[Gpu, ...]]) -> float:
    return max(gpu.used for seen in looks for gpu in seen) / _GB
