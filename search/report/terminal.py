"""What a person sees in a terminal. Progress goes to stderr, results to stdout; without a terminal, plain lines."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.report.wording import clock, percent
from search.results.result import Front, Point
from search.state.failures import kind
from search.state.records import OPEN
from search.state.run_folder import RunFolder, shown
from senet_nas.costs.measures import Measure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from search.setup.experiment_setup import Prepared
    from search.state.records import Entry, Training

# Rows of the table of points before it is cut: the front and the baselines always stand in it.
MAX_ROWS = 9
# Points that one validation image may be worth without a word.
COARSE = 0.5
_STYLE = {"proven": "bold green", "likely": "green", "likely worse": "red", "plain": "bold", "open": ""}


def console(*, stderr: bool = False) -> Console:
    """A rich console; 120 columns where there is no terminal to ask."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=120, no_color=True)


class Terminal:
    """Watches a run for a person: a progress bar in a terminal, a line for each training elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = console(stderr=True)
        self._console.quiet = quiet
        self._progress: Progress | None = None
        self._done = self._before = self._failed = self._total = self._slots = 0
        self._advised: set[str] = set()
        self._running: set[str] = set()
        self._last = self._front = ""
        self._began = time.monotonic()

    def begin(self, name: str, where: Path) -> None:
        self._console.print(f"senet-search {version('senet-search')}   run {name}   in {shown(where)}")
        self._console.print("Ctrl-C once stops cleanly; the same command goes on where it stopped.")

    def say(self, text: str) -> None:
        self._console.print(f"  {text}")

    def plan(self, prepared: Prepared, done: int) -> None:
        for line in plan_lines(prepared):
            self._console.print(f"  {line}")
        self._done, self._before, self._total = done, done, prepared.experiment.budget.trainings
        self._slots, self._began = prepared.slots.count or 0, time.monotonic()
        if self._console.is_terminal and not self._console.quiet:
            self._progress = _progress(self._console)
            self._progress.start()
            self._bar = self._progress.add_task("training", total=self._total, completed=done)

    def changed(self, training: Training, entry: Entry) -> None:
        (self._running.add if training.state == "running" else self._running.discard)(training.uid)
        if training.state not in OPEN or training.reason:
            self._ended(training, entry)
        self._refresh()

    def found(self, front: Front) -> None:
        """What the front is by now."""
        self._front = current(front)
        self._refresh()

    def _ended(self, training: Training, entry: Entry) -> None:
        self._done += training.state == "finished"
        self._failed += training.state == "failed"
        accuracy = f" {training.metrics['val_accuracy']:.2f} %" if training.state == "finished" else ""
        self._last = f"{training.name} {entry.name}{accuracy}"
        if not self._total:
            return  # taken in from before: what it makes together is told next
        if self._progress is None or training.state != "finished":
            line = f"{self._done:>{len(str(self._total))}}/{self._total}  {_line(training, entry)}"
            self._console.print(f"{line}{self._left(', {} left')}", markup=False)
            self._advise(training)

    def _refresh(self) -> None:
        if self._progress is not None:
            slots = f"{len(self._running)} of {self._slots} slots" if self._slots else f"{len(self._running)} running"
            said = [f"{slots}{self._left(', {} left')}", f"last {self._last}" if self._last else ""]
            said += [f"{self._failed} failed"] if self._failed else []
            lines = [", ".join(part for part in said if part), self._front]
            self._progress.update(self._bar, completed=self._done, description="\n".join(filter(None, lines)))

    def _left(self, form: str) -> str:
        """How long the rest takes at the pace of this session; nothing before a training has finished, and after the last."""
        done, rest = self._done - self._before, self._total - self._done
        return form.format(clock((time.monotonic() - self._began) / done * rest)) if done and rest > 0 else ""

    def _advise(self, training: Training) -> None:
        """What helps against a reason of failure, once for each."""
        if training.state == "failed" and training.reason not in self._advised:
            self._advised.add(training.reason)
            self._console.print(f"  hint: {kind(training.reason).remedy}", markup=False)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def current(front: Front) -> str:
    """The front in a line: its members, and the one to look at."""
    best = front[front.likely or front.recommended]
    others = [p.id for p in front.members if not p.is_plain]
    said = f"front: plain{''.join(f', {name}' for name in others[:5])}{', ...' * (len(others) > 5)}"
    if best.is_plain:
        return f"{said}; none likely better than plain yet"
    return (
        f"{said}; {best.verdict}: {best.id} {best.words} {best.gain:+.2f} [{best.gain_low:+.2f}, {best.gain_high:+.2f}]"
    )


def plan_lines(prepared: Prepared) -> list[str]:
    """What is going to happen, in a few lines: data, network, space, budget, machine."""
    experiment, space, data, slots = prepared.experiment, prepared.space, prepared.data, prepared.slots
    images = (
        f"{data['train']:,} train, {data['validation']:,} validation, {data['test']:,} test; {len(data['classes'])} classes"
        if data
        else "results of a table"
    )
    goals = ", ".join(
        f"{o.metric} {o.direction}d" + (f" (at most +{o.limit:g} %)" if o.limit is not None else "")
        for o in experiment.objectives
    )
    # With few validation images a single one decides; that is worth knowing before the first training.
    coarse = data and 100 / data["validation"] > COARSE
    cautions = [f"one validation image is {100 / data['validation']:.1f} points"] if coarse else []
    where = prepared.device if slots.is_local else f"Ray at {slots.ray}"
    gpu = f" and {slots.gpus:g} GPU" + ("" if slots.is_local else " where its nodes have any") if slots.gpus else ""
    limit = f", at most {experiment.budget.time}" if experiment.budget.time else ""
    return [
        f"data      {experiment.data.dataset}: {images}",
        *(f"caution   {note}" for note in (*cautions, *data.get("notes", ()))),
        f"network   {experiment.model.network}, {len(space.sites)} units that can take SE",
        f"space     {space.size:,} distinct architectures (of {space.nominal_size:,} spellings), by {experiment.search.sampler}",
        f"compare   {goals}",
        f"budget    {experiment.budget.trainings} trainings of {experiment.train.epochs} epoch{'s' * (experiment.train.epochs > 1)}{limit}",
        f"machine   {where}, {slots.count or 'as many as it holds:'} trainings side by side, each on {slots.cpus} CPU core{'s' * (slots.cpus > 1)}{gpu}",
    ]


def show(front: Front, *, folder: Path) -> None:
    """The result: verdict, table, recommendation, and what to type next."""
    from search.report.next_steps import following

    out = console()
    if out.is_terminal:
        out.print()
    out.print(front.verdict, style="bold", markup=False)
    out.print(_table(front, out.width))
    # In a log a sentence is a line; a terminal wraps it between words.
    for line in [front.rule, front.power, *front.findings, *_test_lines(front), _counted(front)]:
        out.print(line, markup=False, soft_wrap=not out.is_terminal)
    name = shown(folder)
    out.print(f"Report: {name}/report.html   table: {name}/front.csv", markup=False)
    next_, *others = following(front, RunFolder(folder))
    for label, command in [("Next:", next_), *(("", other) for other in others)]:
        out.print(f"{label:<8}{command}", markup=False, soft_wrap=True)


def _table(front: Front, width: int) -> Any:
    from rich.table import Table

    title = "estimated validation accuracy in percent, gain over plain in points, costs over plain"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    level = f"{100 * front.rules.level:.0f} %"
    costs = [measure.short for measure in shown_costs(front)]
    columns = ("id", "SE placement", "accuracy", f"gain [{level}]", "seeds", *costs, "verdict")
    shown_columns = _columns(width, len(columns))
    left = (0, 1, len(columns) - 1)
    for i in shown_columns:
        table.add_column(
            columns[i], justify="left" if i in left else "right", no_wrap=i != 1, min_width=18 if i == 1 else None
        )
    rows = _rows(front)
    for point in rows:
        row = _row(point, front)
        table.add_row(*(row[i] for i in shown_columns), style=_STYLE.get(point.verdict, ""))
    if len(rows) < len(front.points):
        table.caption = f"{len(front.points) - len(rows)} more in front.csv"
    return table


def _columns(width: int, count: int) -> list[int]:
    """Which of ``count`` columns fit: id, placement, gain and verdict always do; the rest is in front.csv."""
    if width >= 110:
        return list(range(count))
    if width >= 95:
        return [0, 1, 2, 3, 5, count - 1]
    return [0, 1, 3, count - 1]


def shown_costs(front: Front) -> list[Measure]:
    """The costs that are objectives, filled up to two with others that the run knows; in the order of the table of costs."""
    wanted = [measure for measure in front.measures if measure.overhead in front.costs]
    others = [measure for measure in front.measures if measure not in wanted]
    chosen = wanted + others[: max(0, 2 - len(wanted))]
    return [measure for measure in front.measures if measure in chosen]


def _rows(front: Front) -> list[Point]:
    """Plain, the front from the cheapest on, then who else is worth a look."""
    others = [p for p in front.points if not p.on_front and not p.is_plain]
    order = {"finalist": 0, "baseline": 1}
    others.sort(key=lambda p: (order.get(p.role, 2), -p.gain))
    first = [front.plain, *(p for p in front.members if not p.is_plain)]
    return [*first, *others[: max(4, MAX_ROWS - len(first))]]


def _row(point: Point, front: Front) -> list[str]:
    mark = ">" if point.id == front.recommended else "*" if point.on_front else " "
    gain = "-" if point.is_plain else f"{point.gain:+.2f} [{point.gain_low:+.2f}, {point.gain_high:+.2f}]"
    verdict = point.verdict if point.allowed else f"{point.verdict}, over a limit"
    return [
        f"{mark} {point.id}", point.words, f"{point.val_accuracy:.2f}", gain, str(point.n_seeds),
        *(_cost_cell(point, measure) for measure in shown_costs(front)), verdict,
    ]  # fmt: skip


def _cost_cell(point: Point, measure: Measure) -> str:
    """An overhead; ~ marks one that was predicted and not measured."""
    if measure.overhead not in point.costs:
        return "?"
    is_predicted = not measure.is_counted and measure.interval[0] not in point.costs and not point.is_plain
    return ("~" if is_predicted else "") + percent(point.costs[measure.overhead])


def _test_lines(front: Front) -> list[str]:
    results = (front.test or {}).get("results", {})
    said = []
    for name, rows in results.items():
        values = [row["accuracy"] for row in rows]
        each = ", ".join(f"{value:.2f}" for value in values)
        said.append(f"{name} {sum(values) / len(values):.2f} ({each})")
    return [f"Test set, read once: {'; '.join(said)} percent."] if said else []


def _counted(front: Front) -> str:
    counts = dict(front.counts)
    finished, total = counts.pop("finished", 0), sum(front.counts.values())
    rest = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{total} trainings: {finished} finished{', ' + rest if rest else ''}.   * front   > recommended"


def _line(training: Training, entry: Entry) -> str:
    what = f"{training.name:<5}{entry.name:<5}{entry.label[:52]:<54}"
    if training.state == "failed":
        return f"{what}FAILED: {training.reason}"
    if training.state == "stopped":
        return f"{what}stopped: {training.reason}"
    if training.state == "waiting":
        return f"{what}starts again: {training.reason}"
    seconds = training.metrics.get("train_seconds", 0.0)
    return f"{what}{training.metrics['val_accuracy']:6.2f} %  {seconds:6.1f} s  {training.role}"


def _progress(where: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False),
        console=where, transient=True,
    )  # fmt: skip
