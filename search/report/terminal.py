"""A running search in the terminal. Progress goes to stderr, results to stdout; a log gets plain lines."""

from __future__ import annotations

import math
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from search.report.plan_lines import plan_lines
from search.report.result_lines import LEFT, PLACEMENT, PLACEMENT_WIDTH, front_line, next_lines, result_table, sentences
from search.report.wording import clock, state_text
from search.results.objectives import qualities
from search.results.result import Front
from search.state.failures import kind
from search.state.records import ENDED, OPEN, SHARE
from search.state.run_folder import shown
from search.state.so_far import SoFar, amount
from senet_nas.training.quality_metrics import ACCURACY

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from search.setup.experiment_setup import Prepared
    from search.state.records import Entry, Training


def console(*, stderr: bool = False) -> Console:
    """A rich console; in a log it is 120 columns wide and has no colours."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=120, no_color=True)


def show(front: Front, *, folder: Path, is_written: bool = True) -> None:
    """Prints the result of the run in a folder to stdout; what to open and to type only if its report was written."""
    out = console()
    if out.is_terminal:
        out.print()
    for caution in front.cautions:
        out.print(caution, style="yellow", markup=False, soft_wrap=not out.is_terminal)
    out.print(front.verdict, style="bold", markup=False, soft_wrap=not out.is_terminal)
    out.print(_table(front, out.width))
    # In a log a sentence is a line; a terminal wraps it between words.
    for line in sentences(front):
        out.print(line, markup=False, soft_wrap=not out.is_terminal)
    for line in next_lines(front, folder) if is_written else []:
        out.print(line, markup=False, soft_wrap=True)


def _table(front: Front, width: int) -> Table:
    from rich.table import Table

    content = result_table(front, width)
    table = Table(
        title=content.title, title_justify="left", caption=content.caption, box=None, pad_edge=False, header_style="dim"
    )
    for head in content.heads:
        if head == PLACEMENT:
            table.add_column(head, min_width=PLACEMENT_WIDTH)
        else:
            table.add_column(head, justify="left" if head in LEFT else "right", no_wrap=True)
    for cells, style in content.rows:
        table.add_row(*cells, style=style)
    return table


class Terminal:
    """Watches a run for a person: a progress bar in a terminal, a line for each training in a log."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = console(stderr=True)
        self._console.quiet = quiet
        self._progress: Progress | None = None
        self._finished = 0
        self._failed = 0
        # By uid: the share that is done of a training that was stopped, has paused, or continues from a pause.
        self._shares: dict[str, float] = {}
        self._done_before = 0.0
        self._total = 0
        self._slots = 0
        self._advised: set[str] = set()
        self._running: set[str] = set()
        self._last = ""
        self._front = ""
        # When the first training of the session began: to start the workers takes time, too, but only once.
        self._began: float | None = None
        self._metric = ACCURACY

    def begin(self, name: str, where: Path) -> None:
        self._say(f"senet-search {version('senet-search')}   run {name}   in {shown(where)}")
        self._console.print("Ctrl-C once stops cleanly; the same command continues where it stopped.")

    def say(self, text: str) -> None:
        """Prints a line; a caution on stderr if only the result is wanted."""
        if self._console.quiet and text.startswith("caution"):
            console(stderr=True).print(text, markup=False, soft_wrap=True)
        self._say(f"  {text}")

    def _say(self, line: str) -> None:
        """Prints a line; in a log it stays one, so that a command in it can be copied."""
        self._console.print(line, markup=False, soft_wrap=not self._console.is_terminal)

    def plan(self, prepared: Prepared, done: SoFar) -> None:
        """Prints what the run is going to do; what earlier sessions have ``done`` counts."""
        self._metric = qualities(prepared.experiment.objectives)[0]
        for line in plan_lines(prepared, done.shared):
            self._say(f"  {line}")
        self._finished = done.finished
        self._shares = dict(done.shares)
        self._done_before = done.done
        self._total = prepared.experiment.budget.trainings - math.ceil(done.shared_trainings)
        self._slots = prepared.slots.count or 0
        if self._console.is_terminal and not self._console.quiet:
            self._progress = _progress(self._console)
            self._progress.start()
            self._bar = self._progress.add_task("training", total=self._total)
            self._progress.update(self._bar, completed=self._done)

    def changed(self, training: Training, entry: Entry) -> None:
        if training.state == "running":
            self._began = time.monotonic() if self._began is None else self._began
            self._running.add(training.uid)
        else:
            self._running.discard(training.uid)
        if training.state not in OPEN or training.reason:
            self._ended(training, entry)
        self._refresh()

    def found(self, front: Front) -> None:
        """Shows what the front is by now."""
        self._front = front_line(front)
        self._refresh()

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _ended(self, training: Training, entry: Entry) -> None:
        self._finished += training.state == "finished"
        self._failed += training.state == "failed"
        if training.state in ENDED:
            self._shares.pop(training.uid, None)
        if training.state in ("stopped", "paused"):
            self._shares[training.uid] = training.metrics[SHARE]
        value = f" {self._value(training)}" if training.state == "finished" else ""
        self._last = f"{training.name} {entry.name}{value}"
        if not self._total:
            return  # a result of an earlier session: the plan, which follows, counts all of them
        if self._progress is None or training.state != "finished":
            count = f"{amount(self._done):>{len(str(self._total))}}/{self._total}"
            self._say(f"{count}  {_training_line(training, entry, self._value(training))}{self._left(', {} left')}")
            self._advise(training)

    def _refresh(self) -> None:
        if self._progress is not None:
            running = f"{len(self._running)} of {self._slots} slots" if self._slots else f"{len(self._running)} running"
            parts = [f"{running}{self._left(', {} left')}"]
            parts += [f"last {self._last}"] if self._last else []
            parts += [f"{self._failed} failed"] if self._failed else []
            lines = [", ".join(parts), self._front]
            self._progress.update(self._bar, completed=self._done, description="\n".join(filter(None, lines)))

    def _left(self, form: str) -> str:
        """How long the rest takes at the pace of this session; empty before its first training and after the last."""
        done = self._done - self._done_before
        rest = self._total - self._done
        if self._began is None or done <= 0 or rest <= 0:
            return ""
        return form.format(clock((time.monotonic() - self._began) / done * rest))

    @property
    def _done(self) -> float:
        """What counts against the budget, in whole trainings."""
        return self._finished + sum(self._shares.values())

    def _value(self, training: Training) -> str:
        """What a training reached, with its unit; empty if it is not known."""
        value = training.metrics.get(self._metric.column)
        return "" if value is None else self._metric.shown(value)

    def _advise(self, training: Training) -> None:
        """Says what helps against a reason of failure, once for each reason."""
        if training.state == "failed" and training.reason not in self._advised:
            self._advised.add(training.reason)
            self._say(f"  hint: {kind(training.reason).remedy}")


def _training_line(training: Training, entry: Entry, value: str) -> str:
    """One ended training, for a log."""
    head = f"{training.name:<5}{entry.name:<5}{entry.label[:52]:<54}"
    if training.state == "failed":
        return f"{head}FAILED: {training.reason}"
    if training.state in ("stopped", "paused"):
        return f"{head}{state_text(training)}, {_part(training)}"
    if training.state == "waiting":
        return f"{head}starts again: {training.reason}"
    seconds = training.metrics.get("train_seconds", 0.0)
    return f"{head}{value:>8}  {seconds:6.1f} s  {training.role}"


def _part(training: Training) -> str:
    """What a training took that was stopped or has paused: 25 % of a training, 12.0 s."""
    seconds = sum(epoch.get("seconds", 0.0) for epoch in training.curve)
    took = f", {seconds:.1f} s" if seconds else ""
    return f"{100 * training.metrics[SHARE]:.0f} % of a training{took}"


def _progress(where: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    return Progress(BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), text, console=where, transient=True)
