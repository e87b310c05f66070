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


def _group(folder, limit, used, cache) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cache}\n")


def test_free_memory_is_at_most_what_a_container_leaves(tmp_path, monkeypatch) -> None:
    """A limit of any group above counts; file cache that the system can drop is free."""
    groups = tmp_path / "cgroup"
    own = tmp_path / "own"
    own.write_text("0::/job/step\n")
    monkeypatch.setattr(hardware, "_GROUPS", groups)
    monkeypatch.setattr(hardware, "_OWN_GROUPS", own)
    _group(groups / "job" / "step", "max", 7000, 0)
    assert hardware.free_memory() > 2**20
    _group(groups / "job", 10_000, 7000, 2000)
    assert hardware.memory() == 10_000
    assert hardware.free_memory() == 5000


def test_limits_of_the_first_version_of_control_groups_count(tmp_path, monkeypatch) -> None:
    groups = tmp_path / "cgroup"
    own = tmp_path / "own"
    own.write_text("5:cpu:/\n4:memory:/job\n")
    monkeypatch.setattr(hardware, "_GROUPS", groups)
    monkeypatch.setattr(hardware, "_OWN_GROUPS", own)
    folder = groups / "memory" / "job"
    folder.mkdir(parents=True)
    for name, text in (("limit_in_bytes", "9000"), ("usage_in_bytes", "4000"), ("stat", "total_inactive_file 500")):
        (folder / f"memory.{name}").write_text(text)
    assert hardware.free_memory() == 5500


def test_a_machine_without_control_groups_has_its_available_memory(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(hardware, "_OWN_GROUPS", tmp_path / "none")
    info = tmp_path / "meminfo"
    monkeypatch.setattr(hardware, "_MEMORY_INFO", info)
    assert hardware.free_memory() == hardware.memory()
    info.write_text("MemTotal: 9 kB\nMemAvailable: 3 kB\n")
    assert hardware.free_memory() == 3072
