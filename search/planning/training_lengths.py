"""How long a training of the search may be: whole, or paused after a few epochs, as an observation of its loss curve.

A paused training is an observation that costs a share of a whole one, and may be continued later (freeze-thaw: Swersky
et al. 2014, arXiv 1406.3896). What a curve tells of the accuracy must be known first, so whole trainings come first.
Trainings of plain and of a confirmation are always whole: points and proofs rest on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search.planning.budget_split import shares_used
from search.planning.sampler_context import WHOLE, Lengths
from search.state.ledger import Ledger
from search.state.records import Pause
from senet_nas.recipe import Recipe

# The shares of a training after which it may pause: early losses tell most for their price (docs/architecture.md).
PAUSE_SHARES = (1 / 16, 1 / 8, 1 / 4)
# Before this many whole trainings have finished, and this share of what the search may use, nothing pauses: the
# correlation of curve and accuracy is not known.
FEWEST_WHOLE = 16
FIRST_SHARE = 0.5
# The probability that curves tell nothing, below which trainings may pause, and the share of the search that they take.
LIKELY, USUAL_SHARE = 0.5, 0.25
# The same once it is nearly certain that curves tell something.
CERTAIN, LARGEST_SHARE = 0.1, 0.5


@dataclass(frozen=True)
class Knowledge:
    """What the choice of lengths depends on. All counts are in whole trainings.

    ``target`` is what the search may use in all, ``whole`` how many whole trainings of it have finished, and ``short``
    what trainings cost that have paused, or will. ``p_nothing`` is that of :data:`Lengths`.
    """

    target: int
    whole: int
    short: float
    p_nothing: float | None = None


def pauses(recipe: Recipe) -> tuple[int, ...]:
    """The epochs after which a training may pause: a sixteenth, an eighth and a quarter of all.

    None lies within the warm-up, where losses follow the learning rate, or in the second half, where little is saved.
    """
    epochs = sorted({max(1, round(recipe.epochs * share)) for share in PAUSE_SHARES})
    return tuple(epoch for epoch in epochs if recipe.warmup < epoch <= recipe.epochs / 2)


def lengths(recipe: Recipe, knowledge: Knowledge) -> Sequence[int | None]:
    """The lengths that the next training may have, the usual choice first."""
    p_nothing = knowledge.p_nothing
    if p_nothing is None or p_nothing >= LIKELY:
        return WHOLE
    if knowledge.whole < max(FEWEST_WHOLE, FIRST_SHARE * knowledge.target):
        return WHOLE
    share = LARGEST_SHARE if p_nothing < CERTAIN else USUAL_SHARE
    if knowledge.short >= share * knowledge.target:
        return WHOLE
    return (*pauses(recipe), None)


@dataclass(frozen=True)
class ShortTrainings:
    """The trainings of a search that may pause; its trainings follow ``recipe``."""

    recipe: Recipe

    def lengths(self, ledger: Ledger, target: int) -> Lengths:
        """The lengths that the next training may have, in a search that may use ``target`` trainings."""
        counts = ledger.counts
        short = sum(shares_used(ledger, "search"))
        whole = counts.finished["search"] + counts.finished["baseline"]
        return lambda p_nothing: lengths(self.recipe, Knowledge(target, whole, short, p_nothing))

    def pause(self, epoch: int | None) -> Pause | None:
        """The pause after an epoch; None for a whole training."""
        return None if epoch is None else Pause(epoch, epoch / self.recipe.epochs)
