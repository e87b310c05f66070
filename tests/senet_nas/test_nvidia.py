"""What the driver says about GPUs, read from its program's answers; and from a stub of NVML."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from senet_nas import nvidia

TABLE = """\
0, GPU-11aa, NVIDIA H100 80GB HBM3, 570.86.15, 81559, 500, 97, 412.50, Disabled
1, GPU-22bb, NVIDIA H100 80GB HBM3, 570.86.15, 81559, 0, 0, 70.10, Disabled
2, GPU-33cc, "Tesla T4, old", 570.86.15, 15360, 3, [N/A], [Not Supported], [N/A]
"""


@pytest.fixture
def three(monkeypatch):
    monkeypatch.setattr(nvidia, "seen", lambda: nvidia.read_table(TABLE))


def test_the_answer_of_nvidia_smi_is_read():
    first, _, old = nvidia.read_table(TABLE)
    assert (first.index, first.uuid, first.memory, first.free) == (0, "GPU-11aa", 81559 * 2**20, 81059 * 2**20)
    assert (first.busy, first.watts, first.is_sliced) == (97.0, 412.5, False)
    assert (old.name, old.busy, old.watts) == ("Tesla T4, old", None, None)
    assert nvidia.read_table("No devices were found\n") == ()


@pytest.mark.parametrize(
    ("value", "expected"), [(None, [0, 1, 2]), ("", []), ("2,0", [2, 0]), ("GPU-22", [1]), ("7", []), ("-1", [])]
)
def test_visible_gpus_are_those_that_cuda_shows(three, value, expected):
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert [gpu.index for gpu in nvidia.visible(environ)] == expected


def test_gpus_in_words(three):
    words = nvidia.described(nvidia.seen())
    assert words == "2 x NVIDIA H100 80GB HBM3, 1 x Tesla T4, old (driver 570.86.15)"
    assert nvidia.described([]) == ""


def test_without_driver_and_program_nothing_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(nvidia.shutil, "which", lambda name: None)
    assert nvidia.seen() == ()


class NvmlError(Exception):
    pass


def nvml(*, has_driver: bool = True, **more: Any) -> SimpleNamespace:
    """NVML with one GPU, on which MIG is on and neither power nor energy can be read; ``more`` replaces calls."""

    def begin():
        if not has_driver:
            raise NvmlError

    def power(handle):
        raise NvmlError

    calls = {
        "NVMLError": NvmlError,
        "nvmlInit": begin,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=100, used=40),
        "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=12),
        "nvmlDeviceGetPowerUsage": power,
        "nvmlDeviceGetTotalEnergyConsumption": power,
        "nvmlDeviceGetMigMode": lambda handle: (1, 1),
        "nvmlDeviceGetUUID": lambda handle: "GPU-x",
        "nvmlDeviceGetName": lambda handle: "H100",
        "nvmlSystemGetDriverVersion": lambda: "570",
    }
    return SimpleNamespace(**{**calls, **more})


def test_nvml_is_asked_first(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    (gpu,) = nvidia.seen()
    assert gpu == nvidia.Gpu(0, "GPU-x", "H100", "570", 100, 40, busy=12.0, watts=None, is_sliced=True)
    monkeypatch.setitem(sys.modules, "pynvml", nvml(has_driver=False))
    monkeypatch.setattr(nvidia.shutil, "which", lambda name: None)
    assert nvidia.seen() == ()
