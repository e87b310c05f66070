"""The section on INT8: what quantisation costs in accuracy, by gate, position and squeeze of SE."""

from search.report.content import Column, Row, Section, Table
from search.report.tables import level_text
from search.results.int8_losses import PLAIN, Int8Loss
from search.results.result import Front
from senet_nas.training.quality_metrics import ACCURACY


def int8_section(front: Front) -> Section | None:
    """The table of losses; None where trainings did not measure their accuracy in INT8."""
    losses = front.insights.int8 if front.insights else ()
    if not losses:
        return None
    plain = next((loss.loss for loss in losses if loss.kind == PLAIN), None)
    columns = (
        Column("what all SE of a placement share"),
        Column("trainings", "number"),
        Column(f"INT8 costs, points [{level_text(front)}]"),
        Column("more than plain, points", "number"),
    )
    most = max(losses, key=lambda loss: loss.loss)
    note = f"Static INT8 quantisation costs most with {most.words} points of accuracy."
    how = (
        "Accuracy of a trained network less that of its INT8 form, on the same validation images; a mean over "
        "trainings with Student's interval. Kinds share trainings, so they are described and not tested."
    )
    rows = tuple(_row(loss, plain) for loss in losses)
    return Section(
        "What INT8 costs", note, Table("Points of accuracy lost in INT8, by kind of SE", columns, rows), (how,)
    )


def _row(loss: Int8Loss, plain: float | None) -> Row:
    more = "-" if plain is None or loss.kind == PLAIN else ACCURACY.difference(loss.loss - plain)
    return Row((loss.kind, str(loss.trainings), ACCURACY.gain(loss.loss, loss.low, loss.high, unit=False), more))
