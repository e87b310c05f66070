"""The one table of quality metrics: what a search maximises or minimises. All that reads or shows one follows its row.

Imports neither torch nor numpy, so that a config is checked and help is printed without them.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from senet_nas.deploy.precisions import INT8
from spaces.text import interval, with_interval

Goal = Literal["maximize", "minimize"]
PERCENT = "%"
# The prefix of the columns in which trainings keep what they reached on the validation images.
VALIDATION = "val_"
# The files beside the weights of a training that hold its predictions for the validation images, also those in INT8.
PREDICTIONS = "predictions.safetensors"
INT8_PREDICTIONS = "predictions_int8.safetensors"


@dataclass(frozen=True)
class Metric:
    """A measure of quality on labelled images.

    ``of`` computes it from :class:`~senet_nas.training.predictions.Predictions`: weights (B, N) of the images give
    values (B,), from 0 to 1 if the ``unit`` is percent; it is None for a metric that only a function of the user's
    returns. ``form`` formats a value. ``step`` is how much counts as much as one point of accuracy: usual thresholds
    are multiples of it. ``guessing`` is the value of a network that guesses, by the number of classes; None if it is
    not known. ``learned_from`` is the multiple of it from which a network has learned something. ``precision``: the
    number format of the network that is judged, if not that of its training; measured once, when the training ends.
    ``over``: for a share of images, the number of these images in the predictions; None for other metrics.
    """

    name: str
    title: str
    description: str
    unit: str = PERCENT
    goal: Goal = "maximize"
    form: str = ".2f"
    step: float | None = 1.0
    of: Callable[[Any, Any], Any] | None = None
    guessing: Callable[[int], float] | None = None
    learned_from: float = 1.5
    precision: str = ""
    over: Callable[[Any], int] | None = None

    @property
    def column(self) -> str:
        """The column of trainings, tables and files that holds its value on the validation images."""
        return self.name if self.name.startswith(VALIDATION) else f"{VALIDATION}{self.name}"

    @property
    def file(self) -> str:
        """The file beside the weights of a training that holds the predictions which it is computed from."""
        return INT8_PREDICTIONS if self.precision else PREDICTIONS

    @property
    def is_percent(self) -> bool:
        return self.unit == PERCENT

    # -- the one place where a sign is turned -----------------------------------------------------------------

    @property
    def sign(self) -> int:
        """1 if larger values are better, else -1."""
        return 1 if self.goal == "maximize" else -1

    def score(self, metrics: Mapping[str, float]) -> float:
        """The score of a training. Raises KeyError if the training did not measure it."""
        return self.score_of(metrics[self.column])

    def score_of(self, value: float) -> float:
        """The score of a value, or of a difference: more is always better, so the sign is turned if less is."""
        return self.sign * value

    def value(self, score: float) -> float:
        """The value of a score."""
        return self.sign * score

    def possible(self, score: float) -> float:
        """The score, or the nearest one that a network can reach."""
        return min(score, 100.0) if self.is_percent else score

    # -- in words ---------------------------------------------------------------------------------------------

    @property
    def gain_unit(self) -> str:
        """The unit of a difference; empty if the metric has none."""
        return "points" if self.is_percent else self.unit

    @property
    def heading(self) -> str:
        """Its name with its unit: ``accuracy, %``."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def gain_heading(self) -> str:
        """What a column of gains is called: ``gain over plain, points``."""
        return ", ".join(filter(None, ("gain over plain", self.gain_unit))) + self.direction_note

    @property
    def is_default(self) -> bool:
        """Whether it is accuracy, which texts about gains take for granted."""
        return self.name == ACCURACY.name

    @property
    def better(self) -> str:
        """``higher accuracy``, or ``lower log-loss``."""
        return f"{'higher' if self.goal == 'maximize' else 'lower'} {self.title}"

    @property
    def axis(self) -> str:
        """What an axis of gains is called: ``points over plain``."""
        if self.is_default:
            return "points over plain"
        what = f"gain in {self.title}" if self.goal == "maximize" else f"{self.title} below plain"
        return f"{what}, {self.gain_unit}" if self.gain_unit else what

    @property
    def digits(self) -> int:
        """Digits after the point that suffice wherever a table has little room."""
        return 4 if self.is_percent else 6

    @property
    def named(self) -> str:
        """`` of balanced accuracy`` in a sentence about an amount; empty for accuracy, which texts take for granted."""
        return "" if self.is_default else f" of {self.title}"

    @property
    def direction_note(self) -> str:
        """What must be said of a gain in a metric of which less is better; else empty."""
        return "" if self.goal == "maximize" else f" (a gain is a lower {self.title})"

    def number(self, value: float) -> str:
        return format(value, self.form)

    def shown(self, value: float) -> str:
        """A value with its unit: ``93.10 %``."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def difference(self, gain: float) -> str:
        """A difference with its sign: ``+0.20``; a dash for a value that is not finite."""
        return format(gain, f"+z{self.form}") if math.isfinite(gain) else "-"

    def size(self, amount: float) -> str:
        """An amount with the unit of a difference: ``0.30 points``."""
        return f"{self.number(amount)} {self.gain_unit}".rstrip()

    def threshold(self, amount: float) -> str:
        """An amount that somebody has set: ``1 point``, ``0.2 points``."""
        unit = "point" if self.is_percent and amount == 1 else self.gain_unit
        return f"{amount:g} {unit}".rstrip()

    def gain(self, gain: float, low: float, high: float, *, unit: bool = True) -> str:
        """A gain with its interval: ``+0.12 points [-0.01, +0.25]``."""
        return with_interval(gain, low, high, self.gain_unit if unit else "", f"+z{self.form}")

    def gain_interval(self, low: float, high: float) -> str:
        return interval(low, high, f"+z{self.form}")

    def joined(self, values: Sequence[float]) -> str:
        """Values side by side: ``97.10, 97.35``."""
        return ", ".join(self.number(value) for value in values)


# -- the table --------------------------------------------------------------------------------------------------------

_ONE_IN_CLASSES: Callable[[int], float] = lambda classes: 100 / classes  # noqa: E731 - a row of the table below names it
# Add a metric here.
_ROWS = (
    Metric(
        name="accuracy",
        title="accuracy",
        description="share of the images whose most probable class is right",
        of=lambda seen, weights: seen.top(1, weights),
        guessing=_ONE_IN_CLASSES,
        over=lambda seen: seen.images,
    ),
    Metric(
        name="top5",
        title="top-5 accuracy",
        description="share of the images whose class is among the five most probable ones",
        of=lambda seen, weights: seen.top(5, weights),
        guessing=lambda classes: 500 / classes,
        over=lambda seen: seen.images,
    ),
    Metric(
        name="balanced_accuracy",
        title="balanced accuracy",
        description="mean over classes of the share of their images that are right: each class counts the same",
        of=lambda seen, weights: seen.balanced_accuracy(weights),
        guessing=_ONE_IN_CLASSES,
    ),
    Metric(
        name="macro_f1",
        title="macro F1",
        description="mean over classes of F1, the harmonic mean of precision and recall",
        of=lambda seen, weights: seen.macro_f1(weights),
        guessing=_ONE_IN_CLASSES,
    ),
    Metric(
        name="auroc",
        title="AUROC",
        description="mean over classes of the area under the ROC curve, each class against the rest",
        of=lambda seen, weights: seen.auroc(weights),
        guessing=lambda classes: 50.0,
        learned_from=1.2,
    ),
    Metric(
        name="log_loss",
        title="log-loss",
        description="mean over images of -ln of the probability of the right class",
        unit="nats",
        goal="minimize",
        form=".4f",
        step=0.025,
        of=lambda seen, weights: seen.log_loss(weights),
        guessing=math.log,
        learned_from=0.95,
    ),
    Metric(
        name="accuracy_int8",
        title="accuracy in INT8",
        description="accuracy of the network after static INT8 quantisation, measured when a training ends",
        of=lambda seen, weights: seen.top(1, weights),
        guessing=_ONE_IN_CLASSES,
        precision=INT8,
        over=lambda seen: seen.images,
    ),
)
METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
ACCURACY = METRICS["accuracy"]
RECALL = "recall@"
# How this family is written where all metrics are listed.
RECALL_FORM = f"{RECALL}CLASS"
RECALL_PATTERN = f"^{RECALL}.+$"
RECALL_MEANING = "share of the images of the class CLASS that are right"
# What a function of the user's may call a metric.
OWN_NAME = re.compile(r"^[A-Za-z][\w.-]{0,63}$")


def recall_of(label: str) -> Metric:
    """The share of the images of one class that are right."""
    return Metric(
        name=f"{RECALL}{label}",
        title=f"recall of {label}",
        description=RECALL_MEANING.replace("CLASS", label),
        of=lambda seen, weights: seen.recall(label, weights),
        guessing=_ONE_IN_CLASSES,
        over=lambda seen: seen.images_of(label),
    )


def known_metric(name: str) -> Metric | None:
    """The metric of a name in the table, or of ``recall@CLASS``; None for any other name."""
    if name.startswith(RECALL) and name != RECALL:
        return recall_of(name.removeprefix(RECALL))
    return METRICS.get(name)


def metric_of(name: str, goal: Goal | None = None, unit: str | None = None, form: str | None = None) -> Metric:
    """The metric of a name; one that the table lacks is the user's own, with this goal, unit and format."""
    known = known_metric(name)
    if known is not None:
        return known
    title = name.removeprefix(VALIDATION).replace("_", " ")
    own = Metric(name, title, "what your function returns", unit=unit or "", goal=goal or "maximize", step=None)
    own = replace(own, form=form or own.form)
    return replace(own, step=1.0) if own.is_percent else own


def is_own_name(name: str) -> bool:
    """Whether a function of the user's may call a metric so."""
    return OWN_NAME.fullmatch(name) is not None


def listed() -> list[str]:
    """Every metric that our own training measures, as a config names it."""
    return [*METRICS, RECALL_FORM]
