"""One training on a worker: evaluate, make the result durable, and only then report it.

A result that is on disk is never lost: whoever starts the run again adopts it. It is JSON with a SHA-256 of its own.
"""

import faulthandler
import gc
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.execute.evaluator import Evaluation
from search.execute.remote_store import Shelf
from search.state.failures import OUT_OF_MEMORY
from search.state.records import FIRST_PATIENCE, Assignment, Outcome, Progress
from search.state.result_files import HANG, RESULT, WEIGHTS, discard, save
from senet_nas.recipe import Diverged, Report
from senet_nas.training import checkpoint
from spaces import durable
from spaces.errors import UserError

Curve = list[Mapping[str, float]]


def work(
    assignment: Assignment, evaluate: Evaluation, trainings: Path, *, prepare: Callable[[], None] = lambda: None,
    shelf: Shelf | None = None,
) -> Iterator[Progress | Outcome]:  # fmt: skip
    """Yields how it stands after each epoch, and at last the outcome, which is on disk by then.

    An interrupted training goes on from its checkpoint, which lies beside the result until there is one; where there is
    a ``shelf``, also from the one that another node left there. ``prepare`` loads what all trainings of this process
    share; its time is not that of a training. The process ends itself where an epoch takes longer than the assignment's
    patience. Raises OSError where the disk takes no more.
    """
    folder = trainings / assignment.uid
    folder.mkdir(parents=True, exist_ok=True)
    discard(trainings, assignment.uid)
    (folder / HANG).unlink(missing_ok=True)
    durable.sync(trainings)
    curve: Curve = []
    try:
        with _deadline(folder, assignment.patience and max(assignment.patience, FIRST_PATIENCE)):
            prepare()
            if shelf is not None:
                shelf.bring()
        began = time.monotonic()
        weights = folder / WEIGHTS if assignment.keep_weights else None
        reports = evaluate(assignment.architecture, assignment.seed, weights=weights, checkpoint=folder)
        for report in _watched(reports, folder, assignment.patience):
            curve.append({"epoch": report.epoch, **_numbers(report.metrics)})
            if report.done:
                outcome = _outcome(assignment, report, _earlier(folder, curve), curve, time.monotonic() - began)
                outcome = replace(outcome, weights=durable.sha256(weights) if weights and weights.exists() else "")
                break
            if shelf is not None:
                with _deadline(folder, assignment.patience):  # a store may hang as a training may
                    shelf.keep()
            yield Progress(report.epoch, curve[-1].get("val_accuracy"))
        else:
            detail = "the evaluation ended without a last report"
            outcome = Outcome(failure="no result", detail=detail, curve=[*_earlier(folder, curve), *curve])
    except Exception as error:  # whatever a training throws is a failed training, not a failed search
        if isinstance(error, OSError) and error.errno in durable.NO_ROOM:
            raise  # but no training can help a full disk
        whole = _finite([*_earlier(folder, curve), *curve])
        outcome = Outcome(failure=_reason(error), detail=_detail(error), curve=whole)
    if outcome.failure == OUT_OF_MEMORY:
        _free_memory()
    save(folder / RESULT, assignment.uid, outcome)
    checkpoint.remove(folder)
    yield outcome


def clear(trainings: Path, ended: Iterable[str]) -> None:
    """Removes checkpoints of trainings that have ended: a kill between result and removal leaves them behind."""
    for uid in ended:
        checkpoint.remove(trainings / uid)


def _watched(reports: Iterator[Report], folder: Path, patience: float | None) -> Iterator[Report]:
    """The reports, each within the patience; the time that the reader takes does not count."""
    while True:
        with _deadline(folder, patience):
            report = next(reports, None)
        if report is None:
            return
        yield report


@contextmanager
def _deadline(folder: Path, seconds: float | None) -> Iterator[None]:
    """Ends the process, with the traceback of each thread in HANG, if this stays open for so long.

    A timer in C does it, so that a call that never comes back to Python cannot keep it from happening.
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


def _free_memory() -> None:
    """What torch keeps in reserve after a failure would be missing elsewhere."""
    if "torch" in sys.modules:
        import torch

        gc.collect()
        torch.cuda.empty_cache()


def _earlier(folder: Path, curve: Curve) -> Curve:
    """The epochs after which a training was taken up again: in its checkpoint, and not reported since."""
    first = curve[0]["epoch"] if curve else math.inf
    return [epoch for epoch in checkpoint.curve(folder) if epoch["epoch"] < first]


def _outcome(assignment: Assignment, report: Report, earlier: Curve, curve: Curve, seconds: float) -> Outcome:
    before = sum(epoch.get("seconds", 0.0) for epoch in earlier)
    metrics = {"train_seconds": before + seconds, **_numbers(report.metrics)}
    curve = [*earlier, *curve]
    counted = metrics.get("params")
    if counted is not None and counted != assignment.params:
        detail = f"the built network has {counted:,.0f} parameters, its price says {assignment.params:,.0f}"
        return Outcome(failure="overhead", detail=detail, curve=curve)
    return Outcome(metrics, curve, report.correct)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as plain floats, whatever kind of number a user's code gives; what is no number is left out."""
    numbers = {}
    for name, value in metrics.items():
        if value is not None and not isinstance(value, str | bytes | bool):
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError):
                continue
    return numbers


def _reason(error: Exception) -> str:
    """Why a training failed, in a word or two that people can count."""
    if isinstance(error, Diverged):
        return "diverged"
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    return "user error" if isinstance(error, UserError) else type(error).__name__


def _detail(error: Exception) -> str:
    if isinstance(error, UserError | Diverged):
        return str(error)
    return "".join(traceback.format_exception(error))[-4000:]


def _finite(curve: Curve) -> Curve:
    """JSON knows no NaN."""
    return [{k: v for k, v in epoch.items() if math.isfinite(v)} for epoch in curve]
