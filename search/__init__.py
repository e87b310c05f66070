"""What happens between trainings: from a config to a front with verdicts.

    from search import Experiment, run, Front

The names are loaded on first use, so that ``import search`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.config import Experiment
    from search.results.point import Point
    from search.results.result import Front
    from search.session import result, run

_HOME = {
    "Experiment": "config",
    "Front": "results.result",
    "Point": "results.result",
    "run": "session",
    "result": "session",
}
__all__ = ["Experiment", "Front", "Point", "result", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    return getattr(importlib.import_module(f"search.{_HOME[name]}"), name)
