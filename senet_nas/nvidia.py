"""What NVIDIA's driver says about the GPUs: name, memory, use, energy. No context of CUDA is made, and no torch loaded.

NVML is asked (package nvidia-ml-py, extra ``gpu``), else the program nvidia-smi; without both nothing is known.
"""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MIB = 2**20
# nvidia-smi gets this many seconds: it may have to load the driver first.
SECONDS = 20
# What nvidia-smi is asked for, in the order of the fields of Gpu.
_QUERY = "index,uuid,name,driver_version,memory.total,memory.used,utilization.gpu,power.draw,mig.mode.current"
# How nvidia-smi says that it has no value.
_UNKNOWN = ("[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "")


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver sees it now. Memory in bytes, ``busy`` in percent of the last second, ``watts``.

    None is what the driver does not say. ``is_sliced``: MIG is on, so programs get slices of it. ``joules``: the energy
    that it has used since the driver was loaded; only NVML tells.
    """

    index: int
    uuid: str
    name: str
    driver: str
    memory: int
    used: int
    busy: float | None = None
    watts: float | None = None
    is_sliced: bool = False
    joules: float | None = None

    @property
    def free(self) -> int:
        return self.memory - self.used

    @property
    def words(self) -> str:
        """What it does now, for a person: ``GPU 0 (Tesla T4): 97 % busy, 3.2 of 15.8 GB in use, 61 W``."""
        parts = [] if self.busy is None else [f"{self.busy:.0f} % busy"]
        parts.append(f"{self.used / 1e9:.1f} of {self.memory / 1e9:.1f} GB in use")
        parts += [] if self.watts is None else [f"{self.watts:.0f} W"]
        return f"GPU {self.index} ({self.name}): {', '.join(parts)}"


def seen() -> tuple[Gpu, ...]:
    """All GPUs of this machine; empty where nothing can be asked."""
    return _by_nvml() or _by_program()


def visible(environ: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process, in its order; a slice stands for its whole GPU."""
    found = seen()
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return found
    chosen = [_named(name.strip(), found) for name in text.split(",")]
    return tuple(gpu for gpu in chosen if gpu is not None)


def described(found: Iterable[Gpu]) -> str:
    """GPUs in words: ``2 x NVIDIA H100 80GB HBM3, 1 x Tesla T4 (driver 570.86)``; empty without any."""
    names: dict[str, int] = {}
    drivers: dict[str, None] = {}
    for gpu in found:
        names[gpu.name] = names.get(gpu.name, 0) + 1
        drivers[gpu.driver] = None
    counted = ", ".join(f"{n} x {name}" for name, n in names.items())
    return f"{counted} (driver {', '.join(drivers)})" if counted else ""


# -- inside -----------------------------------------------------------------------------------------------------------


def _named(name: str, found: tuple[Gpu, ...]) -> Gpu | None:
    """The GPU that an entry of CUDA_VISIBLE_DEVICES means: an index, or the beginning of a UUID."""
    for gpu in found:
        if name == str(gpu.index) or (name.startswith("GPU-") and gpu.uuid.startswith(name)):
            return gpu
    return None


def _by_nvml() -> tuple[Gpu, ...]:
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return ()
    try:
        return tuple(_of_handle(pynvml, i) for i in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()


def _of_handle(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def asked(call: Any) -> Any:
        """What the driver answers; None where this GPU cannot say it."""
        try:
            return call(handle)
        except nvml.NVMLError:
            return None

    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    rates = asked(nvml.nvmlDeviceGetUtilizationRates)
    milliwatts = asked(nvml.nvmlDeviceGetPowerUsage)
    slicing = asked(nvml.nvmlDeviceGetMigMode)
    millijoules = asked(nvml.nvmlDeviceGetTotalEnergyConsumption)
    return Gpu(
        index,
        nvml.nvmlDeviceGetUUID(handle),
        nvml.nvmlDeviceGetName(handle),
        nvml.nvmlSystemGetDriverVersion(),
        int(memory.total),
        int(memory.used),
        None if rates is None else float(rates.gpu),
        None if milliwatts is None else milliwatts / 1000,
        bool(slicing and slicing[0]),
        None if millijoules is None else millijoules / 1000,
    )


def _by_program() -> tuple[Gpu, ...]:
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return read_table(answer.stdout) if answer.returncode == 0 else ()


def read_table(text: str) -> tuple[Gpu, ...]:
    """The GPUs in the answer of nvidia-smi; rows that hold something else are left out."""
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    return tuple(_of_row(row) for row in rows if len(row) == len(_QUERY.split(",")))


def _of_row(row: list[str]) -> Gpu:
    index, uuid, name, driver, memory, used, busy, watts, slicing = (cell.strip() for cell in row)
    return Gpu(
        int(index),
        uuid,
        name,
        driver,
        int(_number(memory) or 0) * MIB,
        int(_number(used) or 0) * MIB,
        _number(busy),
        _number(watts),
        slicing == "Enabled",
    )


def _number(cell: str) -> float | None:
    return None if cell in _UNKNOWN else float(cell)
