"""The trainings behind each gain, as a drawing: whether the gain is there in all of them, or in a lucky one."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import NormalDist

from search.report.chart import Axis
from search.report.scale import Frame, padded
from search.report.seed_gains import seed_gains
from search.report.wording import shortened, tick
from search.results.point import Point
from search.results.result import Front
from search.state.records import Training, architecture_name
from senet_nas.training.quality_metrics import Metric

# Pixels: where the drawing begins right of the words, and the height of a row and of the axis.
LEFT = 330
ROW = 24
AXIS = 34
# On a phone, a row has its words above its dots.
NARROW_ROW = 44
MOST_ROWS = 16
# With fewer confirmed placements and members of the front than this, the most promising others fill up.
LEAST_ROWS = 6
LETTERS = 46

Gains = Mapping[str, Mapping[str, float]]
# Architecture and seed of the trainings of a confirmation.
Fresh = Set[tuple[str, str]]


@dataclass(frozen=True)
class SeedRow:
    """One architecture: ``y`` in pixels, gains in points. ``dots`` are single trainings: (gain, has a fresh seed)."""

    label: str
    text: str
    y: float
    gain: float
    low: float
    high: float
    dots: tuple[tuple[float, bool], ...]
    is_plain: bool


@dataclass(frozen=True)
class SeedFigure:
    """``lead`` says in plain words how the fresh pairs ended.

    ``luck`` says how good the best training of the search would look by luck alone. ``note`` explains the drawing.
    """

    lead: str
    luck: str
    note: str
    x: Axis
    rows: tuple[SeedRow, ...]
    frame: Frame


def seed_figure(front: Front, trainings: Sequence[Training], *, narrow: bool = False) -> SeedFigure | None:
    """A row for plain, what was confirmed, the front and other promising ones; None where only plain was trained."""
    shown = _shown(front)
    if len(shown) < 2:
        return None
    gains = seed_gains(front, front.points)
    fresh = {(architecture_name(t.architecture), str(t.seed)) for t in trainings if t.role == "confirm"}
    frame = _frame(len(shown), narrow=narrow)
    row = (frame.height - AXIS) / len(shown)
    return SeedFigure(
        lead=_lead(front, gains, fresh),
        luck=_luck(front, gains, fresh),
        note=_note(front),
        x=_axis(front.quality, frame, shown, gains),
        rows=tuple(
            _row(front.quality, point, gains[point.id], fresh, row * (i + (0.75 if narrow else 0.5)))
            for i, point in enumerate(shown)
        ),
        frame=frame,
    )


def _frame(rows: int, *, narrow: bool) -> Frame:
    if narrow:
        return Frame(width=360, height=NARROW_ROW * rows + AXIS, left=10, right=10, top=0, bottom=AXIS)
    return Frame(width=860, height=ROW * rows + AXIS, left=LEFT, right=16, top=0, bottom=AXIS)


def _shown(front: Front) -> list[Point]:
    confirmed = [point for point in front.points if point.role == "finalist"]
    named = {point.id: point for point in [front.plain, front[front.recommended], *confirmed, *front.members]}
    chosen = list(named.values())[:MOST_ROWS]
    rest = sorted((point for point in front.points if point.id not in named), key=lambda point: -point.gain)
    return chosen + rest[: max(0, LEAST_ROWS - len(chosen))]


def _lead(front: Front, gains: Gains, fresh: Fresh) -> str:
    """How often the placement that the answer is about was ahead of plain in the pairs of its confirmation."""
    best = front[front.recommended]
    tested = [best] if not best.is_plain else [p for p in front.points if p.role == "finalist" and not p.is_plain]
    for point in sorted(tested, key=lambda point: -point.gain):
        pairs = [gain for seed, gain in gains[point.id].items() if (point.id, seed) in fresh]
        if pairs:
            ahead = sum(gain > 0 for gain in pairs)
            return (
                f"Trained again with fresh seeds beside plain, {point.id} was ahead in {ahead} of {len(pairs)} pairs."
            )
    return "No placement was trained again with fresh seeds, so every gain rests on the search alone."


def _luck(front: Front, gains: Gains, fresh: Fresh) -> str:
    """The best of n trainings of the search, and what to expect without any effect of SE.

    That is Blom's score (1958) of n normal variates. Fresh trainings are left out: in a pair plain was trained once,
    so their gains are noisier.
    """
    placements = [point.id for point in front.points if not point.is_plain]
    tried = [gain for name in placements for seed, gain in gains[name].items() if (name, seed) not in fresh]
    n = len(tried)
    if n < 2:
        return "The search has too few trainings to say what luck alone would do."
    luck = front.sigma * NormalDist().inv_cdf((n - 0.375) / (n + 0.25))
    best = f"{front.quality.difference(max(tried))} {front.quality.gain_unit}".rstrip() + front.quality.named
    return (
        f"The best of the search's {n} trainings with SE is {best} over plain. If SE had no effect at all, luck alone "
        f"would put it at about {front.quality.difference(luck)}. Estimates are therefore pulled towards zero, "
        "and the most promising placement is trained again with fresh seeds."
    )


def _note(front: Front) -> str:
    return (
        "Each dot is one training, compared with the mean of plain with the same initial weights. Filled dots are "
        "fresh seeds of the confirmation, hollow ones are seeds of the search. In a pair of the confirmation, plain is "
        "trained once, so filled dots scatter more. The bar is the estimate with its "
        f"{100 * front.rules.level:.0f} % interval."
    )


def _axis(metric: Metric, frame: Frame, shown: Sequence[Point], gains: Gains) -> Axis:
    intervals = [end for point in shown for end in (point.gain_low, point.gain_high)]
    single = [gain for point in shown for gain in gains[point.id].values()]
    scale = frame.x_scale(*padded([0.0, *intervals, *single], empty=0.1))
    return Axis(metric.axis, scale, tuple((value, tick(value)) for value in scale.ticks()))


def _row(metric: Metric, point: Point, gains: Mapping[str, float], fresh: Fresh, y: float) -> SeedRow:
    return SeedRow(
        label=f"{point.id} {shortened(point.label, LETTERS)}",
        text=f"{point.id}, {point.label}: {', '.join(map(metric.difference, gains.values()))}",
        y=y,
        gain=point.gain,
        low=point.gain_low,
        high=point.gain_high,
        dots=tuple((gain, (point.id, seed) in fresh) for seed, gain in gains.items()),
        is_plain=point.is_plain,
    )
