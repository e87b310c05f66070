"""How long a training of the search may be: whole, or paused after a few epochs, as an observation of its loss curve.

A paused training is an observation that costs a share of a whole one, and may be continued later (freeze-thaw: Swersky
et al. 2014, arXiv 1406.3896). What a curve tells of the accuracy must be known first, so whole trainings come first.
Trainings of plain and of a confirmation are always whole: points and proofs rest on them.
"""

from dataclasses import dataclass

from search.planning.budget_split import shares_used
from search.planning.sampler_context import MayPause
from search.state.ledger import Ledger
from search.state.records import Pause
from senet_nas.recipe import Recipe

# A training may pause after the first of these shares that lies beyond the warm-up: early losses tell most for their
# price (docs/architecture.md).
PAUSE_SHARES = (1 / 16, 1 / 8, 1 / 4)
# Before this many whole trainings have finished nothing pauses: the correlation of curve and accuracy is not known.
FEWEST_WHOLE = 16
# The probability that curves tell nothing, below which trainings may pause, and the share of the search that they take.
LIKELY, USUAL_SHARE = 0.5, 0.25
# The same once it is nearly certain that curves tell something.
CERTAIN, LARGEST_SHARE = 0.1, 0.5


@dataclass(frozen=True)
class Knowledge:
    """What the choice of lengths depends on. All counts are in whole trainings.

    ``target`` is what the search may use in all, ``whole`` how many whole trainings of it have finished, and ``short``
    what trainings cost that have paused, or will. ``p_nothing`` is that of :data:`MayPause`.
    """

    target: int
    whole: int
    short: float
    p_nothing: float | None = None


def pause_after(recipe: Recipe) -> Pause | None:
    """The earliest pause that shows something; None if a recipe has none.

    It does not lie within the warm-up, where losses follow the learning rate, or in the second half, where little is
    saved.
    """
    epochs = sorted({max(1, round(recipe.epochs * share)) for share in PAUSE_SHARES})
    after = next((epoch for epoch in epochs if recipe.warmup < epoch <= recipe.epochs / 2), None)
    return None if after is None else Pause(after, after / recipe.epochs)


def allowed(recipe: Recipe, knowledge: Knowledge) -> Pause | None:
    """The pause that the next training may make; None if it must be whole."""
    p_nothing = knowledge.p_nothing
    if p_nothing is None or p_nothing >= LIKELY or knowledge.whole < FEWEST_WHOLE:
        return None
    share = LARGEST_SHARE if p_nothing < CERTAIN else USUAL_SHARE
    return None if knowledge.short >= share * knowledge.target else pause_after(recipe)


@dataclass(frozen=True)
class ShortTrainings:
    """The trainings of a search that may pause; its trainings follow ``recipe``."""

    recipe: Recipe

    def may_pause(self, ledger: Ledger, target: int) -> MayPause:
        """Says which pause the next training may make, in a search that may use ``target`` trainings."""
        counts = ledger.counts
        short = sum(shares_used(ledger, "search"))
        whole = counts.finished["search"] + counts.finished["baseline"]
        return lambda p_nothing: allowed(self.recipe, Knowledge(target, whole, short, p_nothing))
