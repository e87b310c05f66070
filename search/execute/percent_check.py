"""A listener that warns if accuracies look like fractions instead of percent."""

from collections.abc import Callable

from search.state.records import Entry, Training

# Results between 0 and 1 after which it warns.
SMALL_RESULTS = 2


class PercentCheck:
    """Listens to results of others' trainings, and warns once if no accuracy exceeds 1."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._small = 0
        self._is_settled = False

    def changed(self, training: Training, entry: Entry) -> None:
        if training.state != "finished" or self._is_settled:
            return
        accuracy = training.metrics["val_accuracy"]
        if accuracy > 1:
            self._is_settled = True
        elif accuracy > 0:
            self._small += 1
        if self._small == SMALL_RESULTS and not self._is_settled:
            self._is_settled = True
            self._say(
                f"caution: no accuracy exceeds 1 ({accuracy:g}): these are probably fractions, but they are read as "
                "percent; return 100 times the fraction"
            )
