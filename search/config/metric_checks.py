"""Checks of objectives: which metrics there are, what each of them allows, and what must stand beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

from search.config.config_error import Fault, Path
from senet_nas.costs import latency_names
from senet_nas.costs.measures import MEASURES, USUAL, is_measure
from senet_nas.deploy.runtime_table import DEFAULT_RUNTIME, RUNTIMES, with_precision
from senet_nas.recipe import FORMATS
from senet_nas.training import quality_metrics
from senet_nas.training.quality_metrics import known_metric
from spaces.errors import unknown

# What an objective may be; a function of the user's may return other qualities.
METRICS = (*quality_metrics.listed(), *MEASURES)
PYTHON = "python:"
DEFAULT_DTYPE = "float32"


def recorded(name: str) -> None:
    """Raises UserError unless our own training can record this metric."""
    if known_metric(name) is None:
        raise unknown("metric", name, quality_metrics.listed())


def objectives(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the objectives of a config."""
    named = tree.get("objectives")
    if named is None:
        return
    source = str(tree.get("evaluate", "train"))
    metrics = [objective.get("metric") for objective in named]
    for index, objective in enumerate(named):
        yield from _objective(("objectives", index), objective, metrics[:index], source)
    if not named or not all(_is_metric(metric, source) for metric in metrics):
        return
    costs = [metric for metric in metrics if is_measure(metric)]
    if costs == metrics:
        yield Fault(("objectives",), "a quality such as accuracy is missing", "add {metric: accuracy}")
    if not costs:
        yield Fault(("objectives",), "a cost is missing", f"add {{metric: {USUAL.name}}}")
    yield from _thresholds(tree, named)


def latency(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """The runtime of the section ``latency`` must know its precision."""
    section = tree.get("latency") or {}
    runtime = RUNTIMES.get(section.get("runtime", DEFAULT_RUNTIME))
    precision = section.get("precision")
    if runtime is not None and precision is not None and precision not in runtime.precisions:
        hint = f"{precision} runs in {', '.join(with_precision(precision))}"
        message = f"{section.get('runtime', DEFAULT_RUNTIME)} does not compute in {precision} here"
        yield Fault(("latency", "precision"), message, hint)


def two_formats(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """``latency.dtype`` must not say another format than ``precision``. Earlier versions ignored it."""
    section = tree.get("latency") or {}
    precision = section.get("precision")
    # float32 is the default, and stands in the config that a run keeps.
    dtype = section.get("dtype", DEFAULT_DTYPE)
    if precision is not None and dtype != DEFAULT_DTYPE and FORMATS.get(dtype, precision) != precision:
        message = f"{dtype} is {FORMATS[dtype]}, and latency.precision says {precision}"
        yield Fault(("latency", "dtype"), message, "remove it, or latency.precision")


def _is_metric(name: Any, source: str) -> bool:
    """Whether results of this source may hold a metric of this name."""
    if not isinstance(name, str):
        return False
    is_known = is_measure(name) or known_metric(name) is not None
    return is_known or (source.startswith(PYTHON) and quality_metrics.is_own_name(name))


def _objective(path: Path, objective: Mapping[str, Any], earlier: list[str], source: str) -> Iterator[Fault]:
    metric = objective.get("metric")
    wrong = latency_names.problem(metric) if isinstance(metric, str) else ""
    if wrong:
        yield Fault((*path, "metric"), wrong)
    elif metric is None:
        yield Fault((*path, "metric"), f"missing; one of {', '.join(METRICS)}", at_key=True)
    elif not _is_metric(metric, source):
        yield _unknown_metric((*path, "metric"), str(metric))
    elif metric in earlier:
        yield Fault((*path, "metric"), f"`{metric}` is an objective twice", "keep one of them")
    elif is_measure(metric):
        yield from _settled(path, objective, "minimize")
    elif (known := known_metric(metric)) is not None:
        yield from _settled(path, objective, known.goal)
    elif objective.get("goal") is None:
        hint = "write `goal: maximize`, or `goal: minimize` if less is better"
        yield Fault((*path, "goal"), f"missing; `{metric}` is a metric of your own", hint, at_key=True)
    if metric is not None and not is_measure(metric) and objective.get("limit") is not None:
        yield Fault((*path, "limit"), f"{metric} has no overhead to limit", "set the limit on a cost")


def _unknown_metric(path: Path, name: str) -> Fault:
    hint = "a metric of your own needs `evaluate: python:...`, whose function returns it"
    found = unknown("metric", name, METRICS)
    return Fault(path, found.message, found.hint or hint)


def _settled(path: Path, objective: Mapping[str, Any], goal: str) -> Iterator[Fault]:
    """The table settles goal, unit and format of its metrics and of all costs."""
    metric = objective["metric"]
    if objective.get("goal") not in (None, goal):
        yield Fault((*path, "goal"), f"`{metric}` can only be {goal}d, got `{objective['goal']}`", "remove the goal")
    for key in ("unit", "format"):
        if objective.get(key) is not None:
            yield Fault((*path, key), f"`{metric}` has its own {key}", "remove it; it is for metrics of your own")


def _thresholds(tree: Mapping[str, Any], objectives: list[Any]) -> Iterator[Fault]:
    """What a gain must be worth, nobody knows of a metric of the user's own that is no percentage."""
    first = next((objective for objective in objectives if not is_measure(objective["metric"])), None)
    if first is None:
        return
    is_own = known_metric(first["metric"]) is None and first.get("unit") != quality_metrics.PERCENT
    search = tree.get("search")
    if is_own and (not isinstance(search, dict) or search.get("worthwhile") is None):
        hint = "write the gain below which you would not want SE, for example `worthwhile: 0.01`"
        message = f"missing; it is in the unit of {first['metric']}, or write `unit: '%'` if that is a percentage"
        yield Fault(("search", "worthwhile"), message, hint, at_key=True)
