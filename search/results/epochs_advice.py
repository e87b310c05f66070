"""One answer about the epochs of a recipe, from a pilot: are they enough, and if so, would others pay?

Noise and cost alone may favour trainings so short that networks have hardly learned, and a search should not compare
those. So another length is advised only if twice its epochs bring plain little, and a recipe that is too short itself
gets no other advice.
"""

from dataclasses import dataclass
from typing import Literal

from search.results.doublings import Doubling
from search.results.recipe_noise import LengthNoise, RecipeNoise
from search.results.training_length import ALLOWED, SURE
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural

# Whether plain learns much in twice the epochs, little, or nobody knows.
Learning = Literal["much", "little", "unknown"]
UNKNOWN = "so it is not known whether it pays"


@dataclass(frozen=True)
class EpochsAdvice:
    """What a pilot knows of each length: its ``noise``, and what more epochs brought plain, the fewest first.

    ``guessing``: the lengths after which plain is hardly better than guessing. ``worthwhile``: a gain that would count.
    """

    noise: RecipeNoise
    doublings: tuple[Doubling, ...]
    guessing: tuple[int, ...]
    worthwhile: float
    metric: Metric

    @property
    def longer(self) -> int | None:
        """The epochs to try next if those of the recipe are too few; else None."""
        own = self.noise.recipe.epochs
        return 2 * own if self.learning(own) == "much" else None

    @property
    def caution(self) -> str:
        """That the trainings are too short, with the remedy, or that plain hardly learns; empty if neither is known."""
        own = self.noise.recipe.epochs
        if self.longer is not None:
            return f"{self._shortness(own)}. Set train.epochs to {self.longer} and type this again."
        if own in self.guessing:
            return (
                f"after {plural(own, 'epoch')} plain is hardly better than guessing, so placements can hardly differ. "
                "Change the section train until plain learns, and type this again."
            )
        return ""

    def noise_lines(self) -> list[str]:
        """The noise of the recipe, and what other epochs are worth: nothing of them if the recipe is too short."""
        found = [self.noise.line(self.metric)]
        if self.caution or not self.noise.others:
            return found
        found += [f"{other.words(self.metric)}, {self.verdict(other)}." for other in self.noise.others]
        return [*found, "How much placements differ may change with the epochs, too; that is not in these figures."]

    def verdict(self, other: LengthNoise) -> str:
        """Whether other epochs than those of the recipe pay: only where noise and learning agree, it is yes or no."""
        is_shorter = other.epochs < self.noise.recipe.epochs
        learning = self.learning(min(other.epochs, self.noise.recipe.epochs))
        if is_shorter and learning == "much":
            return "but its networks have not learned enough"
        if other.worth.low > 1:
            return "so it pays" if learning == "little" or not is_shorter else UNKNOWN
        if other.worth.high < 1:
            return "so it does not pay" if learning == "little" or is_shorter else UNKNOWN
        return UNKNOWN

    def learning(self, epochs: int) -> Learning:
        """Whether twice these epochs bring plain more than ALLOWED gains that would count, beyond the noise of that.

        A flat step does not mean that plain has learned, where it still guesses.
        """
        step = self._step(epochs)
        if step is None:
            return "unknown"
        gain, error = step.of_twice(epochs)
        limit = ALLOWED * self.worthwhile
        if gain - SURE * error > limit:
            return "much"
        is_flat = gain + SURE * error <= limit and epochs not in self.guessing
        return "little" if is_flat else "unknown"

    def _step(self, epochs: int) -> Doubling | None:
        """The measured step that begins at these epochs, else the last one."""
        begins = [one for one in self.doublings if one.before == epochs]
        return next(iter([*begins, *self.doublings[-1:]]), None)

    def _shortness(self, epochs: int) -> str:
        """That trainings of these epochs are too short, as the step after them shows or the one before lets expect."""
        step = self._step(epochs)
        assert step is not None
        if step.before == epochs:
            return f"the trainings are too short: {step.words(self.metric)}"
        gain, _ = step.of_twice(epochs)
        more = f"{plural(2 * epochs, 'epoch')} may bring another {self.metric.size(gain)}"
        return f"the trainings may be too short: {step.words(self.metric)}, and {more}"
