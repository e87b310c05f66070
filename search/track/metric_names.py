"""What the metrics of a run are called in MLflow."""

import re

from search.config import Experiment
from search.results.objectives import qualities
from search.track.views import JUDGED_BY
from senet_nas.training.quality_metrics import RECALL, metric_of

# What no store of MLflow takes in the name of a metric.
_REFUSED = re.compile(r"[^\w.\- /]")


def mlflow_name(column: str) -> str:
    """A column as MLflow takes it for the name of a metric: ``val_recall/cat``."""
    return _REFUSED.sub("-", column.replace(RECALL, "recall/"))


def recorded(experiment: Experiment) -> list[str]:
    """The columns of all qualities that the trainings of an experiment measure for it."""
    return [*(metric.column for metric in qualities(experiment.objectives)), *map(_column, experiment.record)]


def judged_by(experiment: Experiment) -> dict[str, str]:
    """The tag that names the metric of a run, if that is not accuracy."""
    metric = qualities(experiment.objectives)[0]
    return {} if metric.is_default else {JUDGED_BY: metric.heading}


def _column(name: str) -> str:
    return metric_of(name).column
