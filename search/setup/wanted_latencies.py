"""The latencies that a search asks for, and how each of them is timed. Nothing is timed here."""

from search.config import Experiment
from senet_nas.costs.latency_names import spec_of
from senet_nas.costs.measures import find
from senet_nas.recipe import LatencySpec


def wanted(experiment: Experiment) -> dict[str, LatencySpec]:
    """How each latency that is an objective is timed, by the name of the objective."""
    measures = [find(objective.metric) for objective in experiment.objectives]
    names = [measure.name for measure in measures if measure is not None and not measure.is_counted]
    return {name: spec_of(name, experiment.latency) for name in names}
