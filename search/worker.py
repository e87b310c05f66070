"""One training on a worker: evaluate, make the result durable, and only then report it.

A result that is on disk is never lost: whoever starts the run again adopts it. It is JSON with a SHA-256 of its own.
"""

import base64
import math
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from search.evaluators import Evaluator
from search.loop import Assignment, Outcome
from senet_nas import checkpoint
from senet_nas.recipe import Diverged, Report
from spaces import durable
from spaces.errors import UserError

RESULT, WEIGHTS = "result.json", "model.safetensors"
Curve = list[Mapping[str, float]]


def work(assignment: Assignment, evaluate: Evaluator, trainings: Path) -> Iterator[int | Outcome]:
    """Yields the number of each epoch that is done, and at last the outcome, which is on disk by then.

    An interrupted training goes on from its checkpoint, which lies beside the result until there is one.
    """
    folder = trainings / assignment.uid
    folder.mkdir(parents=True, exist_ok=True)
    durable.sync(trainings)
    curve: Curve = []
    began = time.monotonic()
    try:
        weights = folder / WEIGHTS if assignment.keep_weights else None
        for report in evaluate(assignment.architecture, assignment.seed, weights=weights, checkpoint=folder):
            curve.append({"epoch": report.epoch, **_numbers(report.metrics)})
            if report.done:
                outcome = _outcome(assignment, report, _earlier(folder, curve), curve, time.monotonic() - began)
                break
            yield report.epoch
        else:
            detail = "the evaluation ended without a last report"
            outcome = Outcome(failure="no result", detail=detail, curve=[*_earlier(folder, curve), *curve])
    except Exception as error:  # whatever a training throws is a failed training, not a failed search
        whole = _finite([*_earlier(folder, curve), *curve])
        outcome = Outcome(failure=_reason(error), detail=_detail(error), curve=whole)
    save(folder / RESULT, assignment.uid, outcome)
    checkpoint.remove(folder)
    yield outcome


def save(path: Path, uid: str, outcome: Outcome) -> None:
    """Makes a result durable: after a power cut there is all of it or none of it."""
    durable.write(path, encode(uid, outcome))


def clear(trainings: Path, ended: Iterable[str]) -> None:
    """Removes checkpoints of trainings that have ended: a kill between result and removal leaves them behind."""
    for uid in ended:
        checkpoint.remove(trainings / uid)


def adopt(trainings: Path, uid: str) -> Outcome | None:
    """The result that a worker left for a training, if it left a whole one."""
    path = trainings / uid / RESULT
    return decode(uid, path.read_bytes()) if path.exists() else None


def encode(uid: str, outcome: Outcome) -> str:
    """An outcome as JSON text with its checksum."""
    body = {
        "uid": uid, "metrics": dict(outcome.metrics), "curve": [dict(c) for c in outcome.curve],
        "correct": base64.b64encode(outcome.correct).decode() if outcome.correct is not None else None,
        "failure": outcome.failure, "detail": outcome.detail,
    }  # fmt: skip
    return durable.seal(body)


def decode(uid: str, text: str | bytes) -> Outcome | None:
    """The outcome that :func:`encode` wrote for this training; None where it is damaged or another's."""
    body = durable.unseal(text)
    if body is None or body.get("uid") != uid:
        return None
    correct = base64.b64decode(body["correct"]) if body["correct"] is not None else None
    return Outcome(body["metrics"], body["curve"], correct, body["failure"], body["detail"])


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
        return "out of memory"
    return "user error" if isinstance(error, UserError) else type(error).__name__


def _detail(error: Exception) -> str:
    if isinstance(error, UserError | Diverged):
        return str(error)
    return "".join(traceback.format_exception(error))[-4000:]


def _finite(curve: Curve) -> Curve:
    """JSON knows no NaN."""
    return [{k: v for k, v in epoch.items() if math.isfinite(v)} for epoch in curve]
