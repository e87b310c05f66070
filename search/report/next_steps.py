"""The commands that a person is likely to type after seeing a result."""

import math
from dataclasses import dataclass

from search.config import seconds
from search.planning.budget_split import trainings_used
from search.report.wording import clock
from search.results.answer import UNDECIDED, YES, Answer
from search.results.result import Front
from search.setup.opened_run import OpenedRun
from search.state import run_folder
from search.state.confirmation_facts import ANSWERED, EXHAUSTED, TIME

# The extension to suggest to a run that confirmed nothing, if none is known to decide it.
EXTENSION = 24
# An extension that makes a run more than so many times longer is not suggested if a shorter one has an even chance.
FARTHEST = 3


@dataclass(frozen=True)
class NextStep:
    """What a person may want to do now, and the command that does it."""

    words: str
    command: str


def page_steps(front: Front, run: OpenedRun, *, is_complete: bool, is_running: bool = False) -> tuple[NextStep, ...]:
    """What the page suggests, the best first: what settles an open question, then what to take home."""
    place = run.folder
    runs = run_folder.option(place.path.parent)
    if is_running:
        return (NextStep("See how far it is", f"senet-search status {place.name}{runs}"),)
    if not is_complete:
        return (NextStep("Continue the search", run_folder.command(place, run.experiment.name)),)
    longer = _longer(front, run)
    if longer:
        return (NextStep("Train longer, in a new run", longer), *home_steps(front, runs))
    options = _extension(front, run)
    more = [NextStep("Settle it", run_folder.command(place, run.experiment.name, *options))] if options else []
    return (*more, *home_steps(front, runs))


def home_steps(front: Front, runs: str = "") -> tuple[NextStep, ...]:
    """What to take home: the recommended network, and beside plain the likely one if its weights were kept."""
    best = front[front.recommended]
    first = NextStep("Take plain home" if best.is_plain else "Take it home", take_home(front, runs))
    if front.likely is None or front[front.likely].role != "finalist":
        return (first,)
    picked = f"senet-search export {front.run}{runs} --pick {front.likely}"
    return first, NextStep(f"Take {front.likely} instead, which is likely better", picked)


def next_command(front: Front, run: OpenedRun) -> str:
    """The one command to suggest: what settles the question, or takes the network home."""
    place = run.folder
    runs = run_folder.option(place.path.parent)
    if place.is_held:
        return f"senet-search status {place.name}{runs} --watch"
    if not run.is_complete:
        return f"{run_folder.command(place, run.experiment.name)}  # continues where it stopped"
    longer = _longer(front, run)
    if longer:
        return longer
    options = _extension(front, run)
    return run_folder.command(place, run.experiment.name, *options) if options else take_home(front, runs)


def take_home(front: Front, runs: str = "") -> str:
    """The command for the recommended network: it is plain or was confirmed, so it kept weights.

    ``runs`` is the option that names the folder of the runs, with a space before it.
    """
    return f"senet-search export {front.run}{runs}"


def going_on(run: OpenedRun) -> str:
    """What a complete run has reached, and which options of its command continue it."""
    settled = run.facts.settled
    if _time_is_over(run):
        return f"its time is over; continue with {_time_for(run, EXTENSION)}"
    if settled is not None and settled.reason == ANSWERED:
        return "it has its answer; continue with --trainings +N, or --set search.stop=budget"
    if settled is not None and settled.reason == EXHAUSTED:
        return "nothing is left that can be trained"
    return "continue with --trainings +N"


# -- inside -----------------------------------------------------------------------------------------------------------


def _longer(front: Front, run: OpenedRun) -> str:
    """The command of a new run with twice the epochs; empty if trainings were long enough, or a gain is proven."""
    insights = front.insights
    if insights is None or front.answer.kind == YES:
        return ""
    epochs = 0
    if insights.steep is not None:
        epochs = insights.steep.epochs
    elif insights.has_nothing and run.experiment.evaluate == "train":
        epochs = run.experiment.train.epochs
    return run_folder.another(run.folder, f"--set train.epochs={2 * epochs}") if epochs else ""


def _extension(front: Front, run: OpenedRun) -> list[str]:
    """The options that continue an undecided run until it is probably decided; none if nothing does."""
    settled = run.facts.settled
    if front.answer.kind != UNDECIDED or (settled is not None and settled.reason == EXHAUSTED):
        return []
    if front.insights is not None and front.insights.are_alike:
        return []  # more of these trainings would decide nothing either
    used = trainings_used(run.ledger)
    more = _deciding(front.answer, used)
    if not more and (front.under_way or not front.confirmed):
        more = EXTENSION
    if not more:
        return []
    options = []
    if used + more > run.experiment.budget.trainings:
        options.append(f"--trainings +{more}")
    if _lacks_time(run, more):
        options.append(_time_for(run, more))
    return options or [f"--trainings +{more}"]


def _deciding(answer: Answer, used: int) -> int:
    """How many trainings more will probably decide; those for an even chance where that is too far. 0: not known."""
    surely, evenly = answer.more or 0, answer.more_even or 0
    return evenly if evenly and (not surely or surely > FARTHEST * used) else surely


def _time_is_over(run: OpenedRun) -> bool:
    """Whether the time of a run is over, or the part of it that belongs to the search."""
    limit = seconds(run.experiment.budget.time)
    settled = run.facts.settled
    is_over = settled is not None and settled.reason == TIME
    return limit is not None and (is_over or (run.facts.seconds or 0.0) >= limit)


def _lacks_time(run: OpenedRun, more: int) -> bool:
    limit = seconds(run.experiment.budget.time)
    return limit is not None and (_time_is_over(run) or _needed(run, more) > limit)


def _needed(run: OpenedRun, more: int) -> float:
    """Seconds of the whole run in which so many more trainings fit, and in which the search may go on."""
    spent = run.facts.seconds or 0.0
    used = max(1, trainings_used(run.ledger))
    return max(spent * (1 + more / used), 1.1 * spent / (1 - run.rules.confirm))


def _time_for(run: OpenedRun, more: int) -> str:
    """The option that gives a run the time for so many more trainings, rounded up to whole minutes beyond the first."""
    needed = math.ceil(_needed(run, more))
    return f"--set budget.time={clock(needed if needed <= 60 else 60 * math.ceil(needed / 60))}"
