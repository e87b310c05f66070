"""One training on a worker: evaluate, make the result durable, and only then report it.

A result that is on disk is never lost: whoever starts the run again adopts it. It is JSON with a SHA-256 of its own.
"""

import base64
import hashlib
import json
import math
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search.evaluators import Evaluator
from search.loop import Assignment, Outcome
from senet_nas.recipe import Diverged, Report
from spaces import durable
from spaces.errors import UserError

RESULT, WEIGHTS = "result.json", "model.safetensors"


def work(assignment: Assignment, evaluate: Evaluator, trainings: Path) -> Iterator[int | Outcome]:
    """Yields the number of each epoch that is done, and at last the outcome, which is on disk by then."""
    folder = trainings / assignment.uid
    folder.mkdir(parents=True, exist_ok=True)
    curve: list[Mapping[str, float]] = []
    began = time.monotonic()
    try:
        weights = folder / WEIGHTS if assignment.keep_weights else None
        for report in evaluate(assignment.architecture, assignment.seed, weights=weights):
            curve.append({"epoch": report.epoch, **report.metrics})
            if report.done:
                outcome = _outcome(assignment, report, curve, time.monotonic() - began)
                break
            yield report.epoch
        else:
            outcome = Outcome(failure="no result", detail="the evaluation ended without a last report", curve=curve)
    except Exception as error:  # whatever a training throws is a failed training, not a failed search
        outcome = Outcome(failure=_reason(error), detail=_detail(error), curve=_finite(curve))
    save(folder / RESULT, assignment.uid, outcome)
    yield outcome


def save(path: Path, uid: str, outcome: Outcome) -> None:
    """Makes a result durable: after a power cut there is all of it or none of it."""
    durable.write(path, encode(uid, outcome))


def adopt(trainings: Path, uid: str) -> Outcome | None:
    """The result that a worker left for a training, if it left a whole one."""
    path = trainings / uid / RESULT
    return decode(uid, path.read_text()) if path.exists() else None


def encode(uid: str, outcome: Outcome) -> str:
    """An outcome as JSON text with its checksum."""
    body = {
        "uid": uid, "metrics": dict(outcome.metrics), "curve": [dict(c) for c in outcome.curve],
        "correct": base64.b64encode(outcome.correct).decode() if outcome.correct is not None else None,
        "failure": outcome.failure, "detail": outcome.detail,
    }  # fmt: skip
    return json.dumps({"sha256": _digest(body), **body})


def decode(uid: str, text: str) -> Outcome | None:
    """The outcome that :func:`encode` wrote for this training; None where it is damaged or another's."""
    try:
        body = json.loads(text)
        checksum = body.pop("sha256")
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    if checksum != _digest(body) or body["uid"] != uid:
        return None
    correct = base64.b64decode(body["correct"]) if body["correct"] is not None else None
    return Outcome(body["metrics"], body["curve"], correct, body["failure"], body["detail"])


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _outcome(assignment: Assignment, report: Report, curve: list[Mapping[str, float]], seconds: float) -> Outcome:
    metrics = {"train_seconds": seconds, **report.metrics}
    counted = metrics.get("params")
    if counted is not None and counted != assignment.params:
        detail = f"the built network has {counted:,.0f} parameters, its price says {assignment.params:,.0f}"
        return Outcome(failure="overhead", detail=detail, curve=curve)
    return Outcome(metrics, curve, report.correct)


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


def _finite(curve: list[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """JSON knows no NaN."""
    return [{k: v for k, v in epoch.items() if math.isfinite(v)} for epoch in curve]
