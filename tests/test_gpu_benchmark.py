"""`python -m benchmarks.gpu` runs on a CPU, too: its sections, its limits, and what it leaves when one is cut off."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as gpu_benchmark

ROOT = Path(__file__).parents[1]


def test_every_section_has_a_limit():
    assert set(gpu_benchmark.LIMITS) == set(gpu_benchmark.SECTIONS)


def run(folder, *arguments, **variables):
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--tiny", "--out", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_section_is_a_process_of_its_own_and_writes_its_rows(tmp_path):
    done = run(tmp_path, "--only", "training")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {name: section["status"] for name, section in found["sections"].items()} == {"training": "ok"}
    figures = {row["what"]: row["figure"] for row in found["sections"]["training"]["rows"]}
    assert figures["cifar_resnet8 8px b8 plain: the tool, images/s"] > 0
    assert not any(figure == "FAILED" for figure in figures.values())
    assert found["tiny"] is True


@pytest.mark.slow
def test_all_sections_run_on_a_cpu(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_section_that_takes_too_long_is_cut_off_with_what_it_had_found(tmp_path, monkeypatch):
    """On a section that writes a row and waits, in place of a real one."""
    waits = "import sys, time, pathlib; pathlib.Path(sys.argv[1]).write_text('[1]'); time.sleep(600)"
    start = subprocess.Popen
    path = tmp_path / "memory.json"

    def started(command, **more):
        return start([sys.executable, "-c", waits, str(path)], **more)

    monkeypatch.setattr(gpu_benchmark.subprocess, "Popen", started)
    given = Namespace(out=tmp_path, tiny=True, data=None, device="cpu", dataset="digits")
    found = gpu_benchmark._section("memory", given, 2.0)
    assert found["status"] == "cut off after 2 s"
    assert found["rows"] == [1]
