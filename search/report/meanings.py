"""What each name means that a config may hold, in a line: read off the tables and functions that define the names."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.planning.samplers import SAMPLERS
from search.report.status import read_status
from senet_nas.costs.measures import MEASURES
from senet_nas.data import datasets
from senet_nas.deploy.targets import described
from senet_nas.network.backbones import table
from senet_nas.network.excitations import EXCITATIONS
from senet_nas.network.operators import GATES
from senet_nas.network.squeezes import SQUEEZES
from senet_nas.training.quality_metrics import METRICS, RECALL_MEANING
from spaces import spec, spelling
from spaces.text import plural


def meanings(kind: str, names: list[str], runs: Path) -> dict[str, str]:
    """A line of meaning for each name of a kind of `senet-search list`."""
    if kind == "runs":
        return {name: read_status(name, runs).sentence().partition(": ")[2] for name in names}
    return {name: _OF[kind](name) for name in names}


# -- inside -----------------------------------------------------------------------------------------------------------


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").split("\n")[0].replace("``", "`")


def _backbone(name: str) -> str:
    made_for = table.usual(name)
    if made_for == table.SIGNALS:
        return f"for signals of {plural(made_for.channels, 'channel')} and {made_for.side} values"
    return f"for images of {made_for.side} x {made_for.side} pixels"


def _excitation(name: str) -> str:
    chosen = spelling.EXCITATIONS[name]
    text = _first_line(EXCITATIONS[chosen.form].function)
    if name == "fcnb":
        return f"as fc, without biases: {text}"
    return text if chosen.kernel is None else f"as eca, with k = {chosen.kernel}"


def _operator(name: str) -> str:
    chosen = spelling.OPERATORS[name]
    if chosen is None:
        return "of the squeezes and excitations of the config"
    return f"{_first_line(SQUEEZES[chosen.squeeze].function)} {_first_line(EXCITATIONS[chosen.form].function)}"


def _dataset(name: str) -> str:
    row = datasets.named(name)
    return row.description if name in datasets.DATASETS else "of torchvision, for image classification"


def _metric(name: str) -> str:
    return METRICS[name].description if name in METRICS else RECALL_MEANING


_OF: dict[str, Callable[[str], str]] = {
    "backbones": _backbone,
    "datasets": _dataset,
    "squeezes": lambda name: _first_line(SQUEEZES[name].function),
    "excitations": _excitation,
    "operators": _operator,
    "gates": lambda name: _first_line(GATES[name].function),
    "positions": lambda name: spec.POSITIONS[name],
    "samplers": lambda name: SAMPLERS[name].meaning,
    "metrics": _metric,
    "measures": lambda name: MEASURES[name].description,
    "targets": lambda name: "; ".join(described()[name]),
}
