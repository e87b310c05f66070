"""The section on INT8: what quantisation costs in accuracy, by gate, position and squeeze of SE."""

from collections.abc import Sequence

from search.report.content import Column, Row, Section, Table
from search.report.tables import level_text
from search.results.int8_losses import Int8Loss
from search.results.result import Front
from senet_nas.training.quality_metrics import ACCURACY


def int8_section(front: Front) -> Section | None:
    """The table of losses; None where trainings did not measure their accuracy in INT8."""
    losses = front.insights.int8 if front.insights else ()
    if not losses:
        return None
    columns = (
        Column("what all SE of a placement share"),
        Column("trainings", "number"),
        Column(f"INT8 costs, points [{level_text(front)}]"),
        Column(f"more than plain, points [{level_text(front)}]"),
    )
    how = (
        "Accuracy of a trained network less that of its INT8 form, on the same validation images; a mean over "
        "trainings with Student's interval. Kinds share trainings, and each interval stands alone: of ten, one may "
        "miss by chance."
    )
    rows = tuple(_row(loss) for loss in losses)
    return Section(
        "What INT8 costs", _note(losses), Table("Points of accuracy lost in INT8, by kind of SE", columns, rows), (how,)
    )


def _note(losses: Sequence[Int8Loss]) -> str:
    """Which kinds lose more than plain by more than their intervals."""
    worse = [f"{loss.kind} {ACCURACY.difference(loss.more)}" for loss in losses if loss.is_worse and loss.more]
    if worse:
        return f"Static INT8 quantisation costs more points of accuracy than in plain with {', '.join(worse)}."
    if any(loss.more is not None for loss in losses):
        return "No gate, position or squeeze loses clearly more accuracy in INT8 than plain does."
    return "Plain has too few trainings in INT8 to compare with."


def _row(loss: Int8Loss) -> Row:
    more = "-"
    if loss.more is not None and loss.more_low is not None and loss.more_high is not None:
        more = ACCURACY.gain(loss.more, loss.more_low, loss.more_high, unit=False)
    return Row((loss.kind, str(loss.trainings), ACCURACY.gain(loss.loss, loss.low, loss.high, unit=False), more))
