"""How the result grew with the number of trainings, as a drawing: whether more trainings would help."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.report.chart import Axis
from search.report.scale import Frame, padded
from search.report.wording import tick
from search.results.answer import NO, YES
from search.results.result import Front
from search.state.facts import HistoryStep
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural

# Narrow enough for a phone to show its letters in full.
FRAME = Frame(width=420, height=220, left=54, right=14, top=12, bottom=44)
_FLAT = "At no time did the estimates put a placement above plain, so there is no curve to draw."
_CURVE = (
    "The curve shows the expected gain over plain if you pick the best placement for a random cost limit "
    "(the hypervolume of the front), as estimated after each number of trainings, with its interval. "
    "It can fall when early luck fades."
)


@dataclass(frozen=True)
class GrowthCurve:
    """The expected gain in points after each number of trainings: ``steps`` hold (trainings, gain, low, high)."""

    description: str
    x: Axis
    y: Axis
    steps: tuple[tuple[float, float, float, float], ...]
    frame: Frame = FRAME

    @property
    def band(self) -> list[tuple[float, float]]:
        """The corners of the interval's band: along its upper end, and back along the lower one."""
        upper = [(n, high) for n, _, _, high in self.steps]
        lower = [(n, low) for n, _, low, _ in reversed(self.steps)]
        return [*upper, *lower]


@dataclass(frozen=True)
class Growth:
    """What the last step is worth, in a sentence, and the curve; no curve where no placement was ever above plain.

    ``lead`` says in plain words whether more trainings would help.
    """

    lead: str
    sentence: str
    note: str
    curve: GrowthCurve | None


def growth(front: Front, steps: Sequence[HistoryStep]) -> Growth | None:
    """The growth of a result from its steps; None with fewer than two of them."""
    if len(steps) < 2:
        return None
    sentence = _sentence(front, steps[-1])
    lead = _lead(front)
    if not any(step.low or step.high for step in steps):
        return Growth(lead, sentence, _FLAT, None)
    return Growth(lead, sentence, _CURVE, _curve(front.quality, steps))


def _lead(front: Front) -> str:
    """Whether it pays to go on, as the answer of the run has it."""
    answer = front.answer
    if answer.kind == YES:
        return "The run has its answer; more trainings could only find a still better placement."
    if answer.kind == NO:
        return "More trainings would probably change nothing: no gain is likely to be worth it."
    if front.insights is not None and front.insights.are_alike:
        return "More trainings like these would hardly help: see the caution at the head of the page."
    if answer.out_of_reach:
        return "Probably not: placements differ too little for this noise."
    return " ".join(front.outlook) or "It is not known yet how many more trainings would decide it."


def _sentence(front: Front, last: HistoryStep) -> str:
    value = front.quality.gain(last.hypervolume, last.low, last.high)
    now = f"After {plural(last.trainings, 'training')}: {value}."
    if front.insights is None:
        return now
    return f"{now} {front.insights.progress_words(expects_gain=front.expects_gain)}"


def _curve(metric: Metric, steps: Sequence[HistoryStep]) -> GrowthCurve:
    last = steps[-1].hypervolume
    ends = [0.0, *(value for step in steps for value in (step.low, step.high))]
    x = FRAME.x_scale(steps[0].trainings, steps[-1].trainings)
    y = FRAME.y_scale(*padded(ends, empty=0.1))
    return GrowthCurve(
        description=f"Expected gain by number of trainings; {metric.difference(last)} {metric.gain_unit} at the end",
        x=Axis("trainings", x, tuple((value, f"{value:g}") for value in x.ticks())),
        y=Axis(metric.axis, y, tuple((value, tick(value)) for value in y.ticks())),
        steps=tuple((step.trainings, step.hypervolume, step.low, step.high) for step in steps),
    )
