"""The sentences of an answer: what was found, why a run stopped, and why nothing was trained again."""

from search.results import paired_test
from search.results.answer import ENOUGH, EXTENSIONS, NO, Answer, Kind
from search.state.confirmation_facts import ANSWERED, EXHAUSTED, TIME, USED, Settled
from search.state.so_far import amount
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.text import plural

# Why a run stopped before its budget was used, and what continues it.
_ENDINGS = {
    ANSWERED: "because it has its answer; --trainings +N goes on",
    TIME: "because the time for them is over; a larger budget.time goes on",
    EXHAUSTED: "because nothing is left that can be trained",
}
_INTERRUPTED = {TIME: "The time was over", USED: "The budget was used"}


def nothing_yet(trainings: int) -> str:
    """What is said before a placement of SE has finished a training: no answer, because there is no evidence."""
    return f"Nothing to compare yet: plain has finished {plural(trainings, 'training')}, and no placement of SE has."


def seeds_alike(metric: Metric) -> str:
    """Why nothing can be proven if the seed changes nothing."""
    return (
        f"All trainings of a placement gave the same {metric.title}, whatever their seeds. A proof compares a gain "
        "with the noise between seeds, so nothing can be proven: check that the seed is used."
    )


def worth_it(label: str, gain: str, cost: str, metric: Metric = ACCURACY) -> str:
    """A proof."""
    return f"Worth it: {label} gains {gain}{_of(metric)} over plain for {cost}, proven on fresh seeds."


def small(estimate: float, worthwhile: float, metric: Metric = ACCURACY) -> list[str]:
    """The caution that belongs to a proof if the ``estimate`` of its gain is below what was called worthwhile."""
    if estimate >= worthwhile:
        return []
    return [f"The estimate is below the {metric.threshold(worthwhile)} of search.worthwhile: judge whether it pays."]


def not_worth_it(answer: Answer, within: str, metric: Metric = ACCURACY) -> str:
    """Never certain: draws that are all on one side do not make a probability of 100 %."""
    chance = f"{min(99.9, 100 * (answer.probability or 0.0)):.3g} %"
    return (
        f"Likely not worth it: with a probability of {chance}, no placement{within} gains more than "
        f"{metric.threshold(answer.worthwhile)}{_of(metric)} over plain."
    )


def undecided(over_limit: str, likely: str) -> str:
    """``over_limit`` names what is proven and not within the limits, ``likely`` what is likely and with which gain."""
    proof = "nothing is proven yet"
    if over_limit:
        proof = f"{over_limit} is proven better than plain, but is over a limit since it was measured alone"
    found = f"Likely better than plain: {likely}." if likely else "No placement of SE is likely better than plain."
    return f"Undecided: {proof}. {found}"


def what_would_decide(answer: Answer) -> list[str]:
    """The sentence on how many more trainings would decide an undecided run, where that is known."""
    surely = f"with a chance of {100 * ENOUGH:.0f} %"
    if answer.out_of_reach:
        return [f"Not even {EXTENSIONS[-1]:,} more trainings would probably decide it."]
    if answer.more_even is None:
        return [] if answer.more is None else [f"About {answer.more:,} more trainings would decide it {surely}."]
    if answer.more is None:
        return [f"About {answer.more_even:,} more trainings would decide it as likely as not."]
    if answer.more == answer.more_even:
        return [f"About {answer.more:,} more trainings would decide it {surely}."]
    return [
        f"About {answer.more_even:,} more trainings would decide it as likely as not, about {answer.more:,} {surely}."
    ]


def ending(settled: Settled | None, finished: int, used: float = 0.0) -> str:
    """Why a run stopped before its budget was used; empty if it did not, or if it was continued since.

    ``finished`` is the number of its trainings that have finished. ``used`` counts the shares of others, too, and a
    shared network.
    """
    if settled is None or settled.reason == USED or settled.trainings >= settled.budget:
        return ""
    if finished != settled.trainings:
        return ""
    parts = used - finished
    among = f" ({finished} whole ones, and parts of others)" if round(parts, 1) > 0 else ""
    count = amount(max(used, finished))
    return f"The run stopped after {count} of {settled.budget} trainings{among}, {_ENDINGS[settled.reason]}."


def not_confirmed(settled: Settled | None, kind: Kind, share: float) -> str:
    """Why no candidate was trained again. ``share`` is that of the budget which a confirmation may take."""
    smallest = paired_test.smallest_budget(share)
    none = "No candidate was trained again with fresh seeds"
    if settled is None:
        return "No candidate has been trained again with fresh seeds, so nothing is proven."
    if settled.budget < smallest:
        return (
            f"{none}, so nothing can be proven. That takes a budget of {smallest} trainings or more, and a candidate "
            "that has a chance."
        )
    if kind == NO:
        return f"{none}, because no gain is likely to be worthwhile."
    return f"{none}, because none had a chance of a proof with the trainings that were left."


def under_way(settled: Settled | None, finished: int) -> str:
    """What a confirmation under way means, or one that the end of the time or of the budget has interrupted."""
    if settled is not None and settled.reason in _INTERRUPTED and settled.trainings == finished:
        return f"{_INTERRUPTED[settled.reason]} before all pairs of the confirmation had ended; with more it continues."
    return (
        "A candidate is being trained again with fresh seeds, in pairs with plain. Nothing is proven before the pairs "
        "of a look have ended."
    )


def _of(metric: Metric) -> str:
    """What a gain is one of, if it is not accuracy."""
    return metric.named if metric.goal == "maximize" else f" (lower {metric.title})"
