"""How long a user waits: `--help`, `check`, the first result and the end of the demo.

    python -m benchmarks.startup [--demos N]

Whole processes, wall clock; the demo is configs/demo.yaml from an empty folder, MLflow's database included.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import environment

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()"]
HEAVY = ("torch", "ray", "optuna", "mlflow", "numpy")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--demos", type=int, default=3)
    demos = arguments.parse_args().demos
    result = {
        "help_seconds": _summary([_seconds(["--help"]) for _ in range(21)][1:]),
        "help_loads_of_heavy": _heavy_modules(),
        "profile_seconds": _summary([_seconds(["profile", "resnet50", "--json"]) for _ in range(4)][1:]),
        "demo": [_demo() for _ in range(demos)],
    }
    path = environment.write("startup", result)
    print(path.read_text())


def _seconds(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([*COMMAND, *words], check=True, capture_output=True)
    return time.perf_counter() - began


def _summary(seconds: list[float]) -> dict[str, float]:
    return {
        "n": len(seconds),
        "min": round(min(seconds), 3),
        "median": round(statistics.median(seconds), 3),
        "max": round(max(seconds), 3),
    }


def _heavy_modules() -> list[str]:
    program = """
import sys
sys.argv = ["senet-search", "--help"]
from search.cli import app
app.exit_status()
print(*sys.modules)
"""
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return [name for name in HEAVY if name in printed.split()]


def _demo() -> dict[str, Any]:
    """One demo: seconds to the first finished training and to the end, and how many lines it printed."""
    with tempfile.TemporaryDirectory() as folder:
        began, first, lines = time.perf_counter(), 0.0, 0
        process = subprocess.Popen(
            [*COMMAND, "run", str(ROOT / "configs" / "demo.yaml")],
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        for line in process.stdout:
            lines += 1
            if not first and re.match(r"\s*1/\d+ ", line):
                first = time.perf_counter() - began
        assert process.wait() == 0, "the demo failed"
        return {
            "first_result_seconds": round(first, 1),
            "total_seconds": round(time.perf_counter() - began, 1),
            "lines": lines,
        }


if __name__ == "__main__":
    main()
