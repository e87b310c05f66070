"""Accuracy in INT8 in a search: which runtime quantises each trained network."""

from search.config import Experiment
from search.results.objectives import qualities
from search.setup.wanted_latencies import wanted
from senet_nas.deploy import runtime_table
from senet_nas.deploy.precisions import INT8
from senet_nas.quantised import Quantised
from senet_nas.training.quality_metrics import metric_of
from spaces.errors import UserError


def quantised(experiment: Experiment) -> Quantised | None:
    """The runtime of the first INT8 latency: of an objective, or of the section ``latency``. None if nothing needs it.

    Raises UserError if no latency names one, or if it is not installed here (ENVIRONMENT).
    """
    judged = [metric.name for metric in qualities(experiment.objectives) if metric.precision]
    recorded = [name for name in experiment.record if metric_of(name).precision]
    if not judged and not recorded:
        return None
    specs = [*wanted(experiment).values(), experiment.latency]
    runtime = next((spec.runtime for spec in specs if spec.number_format == INT8), None)
    if runtime is None:
        runtimes = " or ".join(runtime_table.with_precision(INT8))
        raise UserError(
            f"{(*judged, *recorded)[0]}: no INT8 latency says which runtime quantises; {runtimes}",
            hint=f"write `latency: {{runtime: {runtime_table.with_precision(INT8)[0]}, precision: {INT8}}}`",
            key="objectives" if judged else "record",
        )
    runtime_table.check(runtime, INT8, key="objectives" if judged else "record")
    return Quantised(runtime, is_needed=bool(judged))
