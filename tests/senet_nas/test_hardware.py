"""What a machine offers to this process."""

import os
import subprocess
import sys

import pytest

from senet_nas import hardware


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not confine processes to cores")
def test_a_process_that_is_confined_to_one_core_has_one() -> None:
    program = (
        "import os\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from senet_nas import hardware\n"
        "print(hardware.cores())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_the_processor_has_its_model_name_or_the_name_of_its_architecture(tmp_path, monkeypatch) -> None:
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(hardware, "_CPU_INFO", info)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert hardware.processor() == "riscv64"
    info.write_text("processor\t: 0\nmodel name\t: Fast: 3 GHz\nprocessor\t: 1\nmodel name\t: Slow\n")
    assert hardware.processor() == "Fast: 3 GHz"


def test_memory_is_in_bytes() -> None:
    assert hardware.memory() > 2**28
