"""What static INT8 quantisation costs in accuracy, by gate, position and squeeze: which operators survive it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from search.results.evidence import Evidence
from senet_nas.student import difference_with_reach, mean_with_reach
from senet_nas.training.quality_metrics import ACCURACY, METRICS, Metric
from spaces.architecture import Architecture
from spaces.text import plural

INT8: Metric = METRICS["accuracy_int8"]
PLAIN = "plain"


@dataclass(frozen=True)
class Int8Loss:
    """Points of accuracy that the trainings of a kind lose in INT8: the mean of so many, with its interval.

    ``kind`` is ``plain``, or a factor and a value that all SE of a placement share: ``gate sigmoid``. ``more`` is what
    it loses beyond plain, with its interval; None for plain, and where plain has less than two trainings.
    """

    kind: str
    trainings: int
    loss: float
    low: float
    high: float
    more: float | None = None
    more_low: float | None = None
    more_high: float | None = None

    @property
    def is_worse(self) -> bool:
        """Whether it loses more than plain by more than its interval."""
        return self.more_low is not None and self.more_low > 0

    @property
    def words(self) -> str:
        return f"{self.kind} {ACCURACY.gain(self.loss, self.low, self.high, unit=False)}"


def int8_losses(evidence: Evidence, level: float) -> tuple[Int8Loss, ...]:
    """The losses of every kind with two trainings or more that measured both accuracies, each on its own images.

    Intervals are Student's over trainings. A loss is known to half an image at best.
    """
    data = evidence.facts.data
    step = 100 / data.validation if data and data.validation else 0.0
    losses: dict[str, list[float]] = {}
    for training in evidence.finished:
        if {ACCURACY.column, INT8.column} <= training.metrics.keys():
            loss = training.metrics[ACCURACY.column] - training.metrics[INT8.column]
            for kind in _kinds(evidence.architectures[training.architecture]):
                losses.setdefault(kind, []).append(loss)
    kinds = sorted(losses, key=lambda kind: (kind != PLAIN, kind))
    return tuple(_of_kind(kind, losses, level, step / 2) for kind in kinds if len(losses[kind]) > 1)


def words_of(losses: Sequence[Int8Loss]) -> str:
    """A sentence; empty without losses."""
    if not losses:
        return ""
    count = max(loss.trainings for loss in losses)
    found = "; ".join(loss.words for loss in losses)
    return f"Points of accuracy that INT8 costs (means of up to {plural(count, 'training')}): {found}."


def _kinds(architecture: Architecture) -> Iterator[str]:
    """Plain, or what all SE of a placement have in common."""
    units = [se for se in architecture.blocks if se is not None]
    if not units:
        yield PLAIN
    for factor in ("gate", "position", "squeeze"):
        values = {getattr(se, factor) for se in units}
        if len(values) == 1:
            yield f"{factor} {values.pop()}"


def _of_kind(kind: str, losses: Mapping[str, Sequence[float]], level: float, least: float) -> Int8Loss:
    values, of_plain = losses[kind], losses.get(PLAIN, ())
    mean, reach = mean_with_reach(values, level, least)
    found = Int8Loss(kind, len(values), mean, mean - reach, mean + reach)
    if kind == PLAIN or len(of_plain) < 2:
        return found
    more, reach = difference_with_reach(values, of_plain, level, least)
    return replace(found, more=more, more_low=more - reach, more_high=more + reach)
