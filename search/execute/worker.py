"""One training on a worker: evaluate, make the result durable, and only then report it.

A result that is on disk is never lost: the next session adopts it (:mod:`search.state.result_files`).
"""

import faulthandler
import math
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.execute.evaluator import Evaluation
from search.execute.gpu_meter import GpuMeter
from search.execute.remote_store import RemoteCopy
from search.state.failures import OUT_OF_MEMORY, REFUSED
from search.state.records import FIRST_PATIENCE, Assignment, Outcome, Progress
from search.state.result_files import HANG, RESULT, WEIGHTS, discard, save
from senet_nas import gpus
from senet_nas.quantised import Refused
from senet_nas.recipe import Diverged, Report
from senet_nas.training import checkpoint
from spaces import durable
from spaces.errors import UserError

Curve = list[Mapping[str, float]]

# Characters of a traceback that are kept.
_TRACEBACK = 4000


class GpuFailed(Exception):
    """The GPU of this process cannot be used any more by it, so all that it would train would fail."""


def work(
    assignment: Assignment,
    evaluate: Evaluation,
    trainings: Path,
    *,
    prepare: Callable[[], None] = lambda: None,
    remote: RemoteCopy | None = None,
    meter: GpuMeter | None = None,
) -> Iterator[Progress | Outcome]:
    """Yields the progress after each epoch, and at last the outcome, which is on disk by then.

    An interrupted training continues from the checkpoint in its folder, or from the ``remote`` copy that another node
    left. One that pauses keeps its checkpoint, there and here. ``prepare`` loads what all trainings of this process
    share, and does not count as training time. The process ends itself if an epoch takes longer than the patience of
    the assignment. When a training ends, its memory on a GPU is free for others; ``meter`` says what it took of it.

    Raises OSError if the disk is full, and GpuFailed: neither is a result of the training.
    """
    folder = trainings / assignment.uid
    _clean(folder)
    curve: Curve = []
    try:
        with _deadline(folder, assignment.patience and max(assignment.patience, FIRST_PATIENCE)):
            prepare()
            if remote is not None:
                remote.bring()
        with meter or GpuMeter(share=0) as used:
            outcome = yield from _train(assignment, evaluate, folder, curve, remote)
            if not (outcome.failure or outcome.paused):
                outcome = replace(outcome, metrics={**outcome.metrics, **used.figures()}, gpu=used.name)
    except Exception as error:  # whatever a training throws is a failed training, not a failed search
        if isinstance(error, OSError) and error.errno in durable.NO_ROOM:
            raise  # except a full disk, which fails every training, ...
        if gpus.failure(error) == "broken":  # ... and a GPU that does so in this process
            raise GpuFailed(str(error).splitlines()[0]) from None
        whole = _finite([*_earlier(folder, curve), *curve])
        outcome = Outcome(failure=_reason(error), detail=_detail(error), curve=whole)
    gpus.release()
    save(folder / RESULT, assignment.uid, outcome)
    if not outcome.paused:
        checkpoint.remove(folder)
    yield outcome


def clear(trainings: Path, ended: Iterable[str]) -> None:
    """Removes the checkpoints of ended trainings, which a kill between result and removal leaves behind."""
    for uid in ended:
        checkpoint.remove(trainings / uid)


# -- inside -----------------------------------------------------------------------------------------------------------


def _clean(folder: Path) -> None:
    """Makes the folder of a training, without the result of an earlier attempt."""
    folder.mkdir(parents=True, exist_ok=True)
    discard(folder.parent, folder.name)
    (folder / HANG).unlink(missing_ok=True)
    durable.sync(folder.parent)


def _train(
    assignment: Assignment, evaluate: Evaluation, folder: Path, curve: Curve, remote: RemoteCopy | None
) -> Generator[Progress, None, Outcome]:
    began = time.monotonic()
    weights = folder / WEIGHTS if assignment.keep_weights else None
    # Only an evaluation that can pause is asked to.
    pause = {} if assignment.until is None else {"until": assignment.until}
    reports = evaluate(assignment.architecture, assignment.seed, weights=weights, checkpoint=folder, **pause)
    for report in _within(reports, folder, assignment.patience):
        curve.append({"epoch": report.epoch, **_numbers(report.metrics)})
        if report.done:
            outcome = _outcome(assignment, report, _earlier(folder, curve), curve, time.monotonic() - began)
            kept = durable.sha256(weights) if weights and weights.exists() else ""
            return replace(outcome, weights=kept)
        is_pause = report.epoch == assignment.until
        if remote is not None:
            with _deadline(folder, assignment.patience):  # a store may hang as a training may
                remote.keep(at_once=is_pause)
        if is_pause:
            return Outcome(curve=[*_earlier(folder, curve), *curve], paused=report.epoch)
        yield Progress(report.epoch, {name: value for name, value in curve[-1].items() if name != "epoch"})
    detail = "the evaluation ended without a last report"
    return Outcome(failure="no result", detail=detail, curve=[*_earlier(folder, curve), *curve])


def _within(reports: Iterator[Report], folder: Path, patience: float | None) -> Iterator[Report]:
    """The reports, each within the patience in seconds. The time that the reader takes does not count."""
    while True:
        with _deadline(folder, patience):
            report = next(reports, None)
        if report is None:
            return
        yield report


@contextmanager
def _deadline(folder: Path, seconds: float | None) -> Iterator[None]:
    """Ends the process if this stays open for longer, and writes the traceback of each thread to HANG.

    A timer in C does it, so it works even if a call never returns to Python.
    """
    if seconds is None:
        yield
        return
    path = folder / HANG
    with path.open("w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink()


def _earlier(folder: Path, curve: Curve) -> Curve:
    """The epochs in the checkpoint from which a training continued; they were not reported again."""
    first = curve[0]["epoch"] if curve else math.inf
    return [epoch for epoch in checkpoint.curve(folder) if epoch["epoch"] < first]


def _outcome(assignment: Assignment, report: Report, earlier: Curve, curve: Curve, seconds: float) -> Outcome:
    """The outcome of the last report. A network whose parameters differ from its price is a failure."""
    before = sum(epoch.get("seconds", 0.0) for epoch in earlier)
    metrics = {"train_seconds": before + seconds, **_numbers(report.metrics)}
    whole = [*earlier, *curve]
    counted = metrics.get("params")
    priced = assignment.params
    if counted is not None and priced is not None and counted != priced:
        detail = f"the built network has {counted:,.0f} parameters, its price says {priced:,.0f}"
        return Outcome(failure="overhead", detail=detail, curve=whole)
    return Outcome(metrics, whole, report.correct)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as floats, whatever kind of number a user's code gives. Other values are left out."""
    numbers = {}
    for name, value in metrics.items():
        if value is not None and not isinstance(value, str | bytes | bool):
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError):
                continue
    return numbers


def _reason(error: Exception) -> str:
    """Why a training failed, in a word or two, by which failures are counted."""
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, Refused):
        return REFUSED
    if isinstance(error, MemoryError) or gpus.failure(error) == "memory":
        return OUT_OF_MEMORY
    return "user error" if isinstance(error, UserError) else type(error).__name__


def _detail(error: Exception) -> str:
    if isinstance(error, UserError | Diverged | Refused):
        return str(error)
    return "".join(traceback.format_exception(error))[-_TRACEBACK:]


def _finite(curve: Curve) -> Curve:
    """The curve without NaN and infinity, which JSON does not know."""
    return [{name: value for name, value in epoch.items() if math.isfinite(value)} for epoch in curve]
