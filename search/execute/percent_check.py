"""A listener that warns if results look like fractions instead of percent."""

from collections.abc import Callable

from search.state.records import Entry, Training
from senet_nas.training.quality_metrics import ACCURACY, Metric

# Results between 0 and 1 after which it warns.
SMALL_RESULTS = 2


class PercentCheck:
    """Listens to results of others' trainings, and warns once if no value of a percentage exceeds 1."""

    def __init__(self, say: Callable[[str], None], metric: Metric = ACCURACY) -> None:
        self._say = say
        self._metric = metric
        self._small = 0
        self._is_settled = False

    def changed(self, training: Training, entry: Entry) -> None:
        if training.state != "finished" or self._is_settled or not self._metric.is_percent:
            return
        value = training.metrics[self._metric.column]
        if value > 1:
            self._is_settled = True
        elif value > 0:
            self._small += 1
        if self._small == SMALL_RESULTS and not self._is_settled:
            self._is_settled = True
            self._say(
                f"caution: no {self._metric.title} exceeds 1 ({value:g}): these are probably fractions, but they are "
                "read as percent; return 100 times the fraction"
            )
