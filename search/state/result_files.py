"""What a training leaves in its folder: its result as JSON with a checksum, its weights, and where it hung.

A result that is on disk is never lost: the next session adopts it. The folder of a training is ``trainings/UID``. A
training that pauses leaves a result, too, beside its checkpoint.
"""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from search.state.records import Outcome, Training
from senet_nas.training import checkpoint
from senet_nas.training.quality_metrics import INT8_PREDICTIONS, PREDICTIONS
from spaces import durable
from spaces.errors import ENVIRONMENT, UserError

RESULT = "result.json"
WEIGHTS = "model.safetensors"
# What a training leaves. The result is written last: where it is, weights and predictions are.
BESIDE_RESULT = (WEIGHTS, PREDICTIONS, INT8_PREDICTIONS)
KEPT = (*BESIDE_RESULT, RESULT)
# The traceback of each thread of a training that was ended because it hung.
HANG = "hang.txt"
# Characters of that file that are read.
_TRACEBACK = 4000


def save(path: Path, uid: str, outcome: Outcome) -> None:
    """Writes a result durably: after a power cut the file holds all of it or does not exist."""
    durable.write(path, encode(uid, outcome))


def adopt(trainings: Path, uid: str) -> Outcome | None:
    """The result that a worker left; None if it is missing or damaged, or the weights that it names are not whole."""
    path = trainings / uid / RESULT
    outcome = decode(uid, path.read_bytes()) if path.exists() else None
    if outcome is None or not has_weights(trainings, uid, outcome):
        return None
    return outcome


def has_weights(trainings: Path, uid: str, outcome: Outcome) -> bool:
    """Whether the weights that an outcome names are here and whole; True for an outcome without weights."""
    path = trainings / uid / WEIGHTS
    return not outcome.weights or (path.exists() and durable.sha256(path) == outcome.weights)


def discard(trainings: Path, uid: str) -> None:
    """Removes the result of an attempt that does not count, so that it cannot pass for that of the next one."""
    (trainings / uid / RESULT).unlink(missing_ok=True)


def carry(trainings: Path, uid: str, names: Iterable[str] = KEPT) -> dict[str, bytes]:
    """The files of a training by name, to send to a driver that does not see this folder."""
    paths = [trainings / uid / name for name in names]
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def receive(trainings: Path, uid: str, files: Mapping[str, bytes]) -> None:
    """Writes durably what :func:`carry` read. The result comes last: where it is, weights and checkpoint are complete.

    Other names are ignored, whatever a node of the cluster sends.
    """
    parts = [name for name in files if checkpoint.is_part(name)]
    for name in (*sorted(parts, key=lambda name: name == checkpoint.RECORD), *KEPT):
        if name in files:
            (trainings / uid).mkdir(parents=True, exist_ok=True)
            durable.write(trainings / uid / name, files[name])


def hung(trainings: Path, uid: str) -> str:
    """The last lines of the traceback of a training that was ended because it hung; empty if it was not."""
    path = trainings / uid / HANG
    return path.read_text(errors="replace")[-_TRACEBACK:] if path.exists() else ""


def weights(trainings: Path, training: Training) -> Path:
    """The file of weights that a training kept. Raises UserError (ENVIRONMENT) if it is missing or damaged."""
    path = trainings / training.uid / WEIGHTS
    if training.weights and (not path.exists() or durable.sha256(path) != training.weights):
        raise UserError(
            f"the weights of {training.name}, {path}, are {'damaged' if path.exists() else 'missing'}",
            hint="restore them from a copy, or take another architecture with --pick",
            code=ENVIRONMENT,
        )
    return path


def uids(trainings: Path) -> set[str]:
    """The uids of all trainings that left a result."""
    return {path.parent.name for path in trainings.glob(f"*/{RESULT}")}


def encode(uid: str, outcome: Outcome) -> str:
    """An outcome as JSON text with its checksum."""
    body: dict[str, Any] = {
        "uid": uid,
        "metrics": dict(outcome.metrics),
        "curve": [dict(epoch) for epoch in outcome.curve],
        "correct": None if outcome.correct is None else base64.b64encode(outcome.correct).decode(),
        "failure": outcome.failure,
        "detail": outcome.detail,
        "weights": outcome.weights,
    }
    if outcome.paused:
        body["paused"] = outcome.paused
    if outcome.gpu:
        body["gpu"] = outcome.gpu
    return durable.seal(body)


def decode(uid: str, text: str | bytes) -> Outcome | None:
    """The outcome that :func:`encode` wrote for this training; None if it is damaged or of another training."""
    body = durable.unseal(text)
    if body is None or body.get("uid") != uid:
        return None
    return Outcome(
        metrics=body["metrics"],
        curve=body["curve"],
        correct=None if body["correct"] is None else base64.b64decode(body["correct"]),
        failure=body["failure"],
        detail=body["detail"],
        weights=body.get("weights", ""),  # older versions did not write it
        paused=body.get("paused", 0),
        gpu=body.get("gpu", ""),
    )
