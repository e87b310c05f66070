"""What a GPU does with the trainings of a search, in sections, each in a process of its own with its own limit.

    python -m benchmarks.gpu [--only SECTION ...] [--budget SECONDS] [--data FOLDER --dataset NAME]
    python -m benchmarks.gpu --device cpu --tiny     # the same code at sizes that a CPU does in seconds: no figure

A section that hangs, dies or leaves a broken context of CUDA takes no other with it, and what it found before stays:
each row is written at once, below --out. On a GPU the whole goes to results/gpu.json.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.gpu import throughput, trust
from benchmarks.gpu.bench import Bench, short

SECTIONS = {**throughput.SECTIONS, **trust.SECTIONS}
# Seconds that a section gets at most on a GPU. A busy CPU gets SLOWER times as many.
SLOWER = 4
LIMITS = {
    "ceilings": 40,
    "training": 170,
    "sharing": 150,
    "feeding": 70,
    "latency": 100,
    "additive": 100,
    "parity": 110,
    "resume": 60,
    "memory": 40,
    "group": 40,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes that a CPU does in seconds")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=[*SECTIONS])
    parser.add_argument("--budget", type=float, default=560.0, help="seconds of all sections together")
    parser.add_argument("--out", type=Path, help="folder for what each section writes (default: a temporary one)")
    parser.add_argument("--dataset", default="digits", help="real images for section parity: digits, cifar10, ...")
    parser.add_argument("--data", help="their folder")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.section:
        _in_this_process(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        given.out = given.out or Path(folder)
        given.out.mkdir(parents=True, exist_ok=True)
        _all(given)


def _all(given: argparse.Namespace) -> None:
    """Runs the sections one after the other, as long as the budget lasts. Exit status 1 if one fails."""
    until = time.monotonic() + given.budget
    found: dict[str, Any] = {**environment.describe(), "device": given.device, "tiny": given.tiny, "sections": {}}
    for name in given.only:
        left = until - time.monotonic()
        limit = LIMITS[name] * (1 if given.device.startswith("cuda") else SLOWER)
        found["sections"][name] = _section(name, given, min(left, limit)) if left > 0 else {"status": "no time"}
        (given.out / "gpu.json").write_text(json.dumps(found, indent=1))
    if given.device.startswith("cuda") and not given.tiny:
        environment.write("gpu", found)
    states = {name: section["status"] for name, section in found["sections"].items()}
    print(", ".join(f"{name}: {state}" for name, state in states.items()))
    sys.exit(int(any(state not in ("ok", "no time") for state in states.values())))


def _section(name: str, given: argparse.Namespace, limit: float) -> dict[str, Any]:
    """What a section found in a process of its own, which ends with all that it started after ``limit`` seconds."""
    print(f"== {name}", flush=True)
    path = given.out / f"{name}.json"
    path.unlink(missing_ok=True)
    options = ["--tiny"] if given.tiny else []
    options += ["--data", given.data] if given.data else []
    command = [sys.executable, "-m", "benchmarks.gpu", "--section", name, "--device", given.device, *options]
    command += ["--out", str(given.out), "--dataset", given.dataset]
    began = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True)
    try:
        code = process.wait(timeout=limit)
        status = "ok" if code == 0 else f"failed ({code})"
    except subprocess.TimeoutExpired:
        status = f"cut off after {limit:.0f} s"
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    rows = json.loads(path.read_text()) if path.exists() else []
    return {"status": status, "seconds": round(time.monotonic() - began, 1), "rows": rows}


def _in_this_process(given: argparse.Namespace) -> None:
    bench = Bench(given.device, given.tiny, given.out / f"{given.section}.json", given.dataset, given.data)
    try:
        SECTIONS[given.section](bench)
    except Exception as error:
        traceback.print_exc()
        bench.row(given.section, "FAILED", short(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
