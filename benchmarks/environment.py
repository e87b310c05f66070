"""Where and with what a figure was measured. It stands beside every committed result."""

import datetime
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from senet_nas import hardware

RESULTS = Path(__file__).parent / "results"


def describe() -> dict[str, Any]:
    packages = ("torch", "torchvision", "ray", "optuna", "mlflow", "click", "pydantic", "numpy", "scipy")
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "cpu": hardware.processor(),
        "cores": hardware.cores(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def read(name: str) -> dict[str, Any]:
    """The figures that were written before, if there are any."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(name: str, result: dict[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"environment": describe(), **result}, indent=1) + "\n")
    return path
