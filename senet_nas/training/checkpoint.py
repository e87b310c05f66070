"""The state of a training between two epochs, on disk: tensors as safetensors, all else as JSON, nothing pickled.

``checkpoint.json`` is written last and names its tensors by epoch and SHA-256; it carries a SHA-256 of itself. The
tensors of the epoch before go only when it is in place, so whatever stops the machine leaves one whole checkpoint.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spaces import durable

# Nothing is saved more often than this; a training that is shorter is soon done again. On two busy CPU cores a save took
# 0.06 s for cifar_resnet20 (2 MB) and 0.9 s for resnet18 (90 MB).
CHECKPOINT_SECONDS = 10.0
RECORD = "checkpoint.json"
# Another number when the meaning of a record changes: the checkpoints of before are then not read.
_FORMAT = 1
# The network that trains, and the moving average of its weights, which is empty where there is none.
_NETWORKS = ("model", "average")

Curve = Sequence[Mapping[str, float]]


def save(folder: Path, state: Mapping[str, Any], curve: Curve, *, owner: Mapping[str, str]) -> None:
    """Makes what ``Training.state()`` gave durable, with the metrics of the epochs so far.

    ``owner`` says whose state it is. Raises OSError where it cannot be written; an earlier checkpoint is then kept.
    """
    from safetensors.torch import save as serialise

    tensors, plain = _taken_apart(state)
    content = serialise(tensors)
    path = folder / _tensors(state["epoch"])
    body = {
        "format": _FORMAT, "owner": dict(owner), "epoch": state["epoch"], "curve": [dict(c) for c in curve],
        "optimizer": plain, "tensors": _sha256(content),
    }  # fmt: skip
    durable.write(path, content)
    durable.write(folder / RECORD, durable.seal(body))
    _remove_tensors(folder, but=path.name)


def load(folder: Path, *, owner: Mapping[str, str]) -> tuple[dict[str, Any], list[dict[str, float]]] | None:
    """The state for ``Training.load_state()`` and the curve so far.

    None where there is no checkpoint, and where it is damaged or another's: the training then begins again.
    """
    body = _record(folder)
    if body is None:
        return None
    content = _read(folder / _tensors(body["epoch"]))
    if content is None or _sha256(content) != body["tensors"] or body["owner"] != dict(owner):
        logging.getLogger(__name__).warning("%s does not fit its tensors or its training", folder / RECORD)
        return None
    from safetensors.torch import load as deserialise

    return _put_together(deserialise(content), body), body["curve"]


def curve(folder: Path) -> list[dict[str, float]]:
    """Metrics of the epochs up to the checkpoint, if there is one. Needs no torch."""
    body = _record(folder)
    return body["curve"] if body is not None else []


def epochs(folder: Path) -> int:
    """How many epochs the checkpoint of a folder has; 0 where there is none. Needs no torch."""
    body = _record(folder)
    return int(body["epoch"]) if body is not None else 0


def described(record: bytes) -> tuple[int, str] | None:
    """Of the content of a ``checkpoint.json``: how many epochs are done, and the file of its tensors; None where it is
    damaged, or of another format."""
    body = durable.unseal(record)
    return (int(body["epoch"]), _tensors(body["epoch"])) if body and body.get("format") == _FORMAT else None


def remove(folder: Path) -> None:
    """Leaves nothing of a checkpoint, whole or half written."""
    for name in (RECORD, f"{RECORD}.tmp"):
        (folder / name).unlink(missing_ok=True)
    _remove_tensors(folder)


# -- inside -----------------------------------------------------------------------------------------------------------


def _tensors(epoch: int) -> str:
    return f"checkpoint-{epoch:d}.safetensors"


def _remove_tensors(folder: Path, *, but: str = "") -> None:
    for path in folder.glob("checkpoint-*.safetensors*"):
        if path.name != but:
            path.unlink(missing_ok=True)


def _taken_apart(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Named tensors on the CPU, and what of the optimizer is no tensor."""
    from torch import Tensor

    optimizer = state["optimizer"]
    named = {"generator": state["generator"]}
    named |= {f"{kind}.{name}": value for kind in _NETWORKS for name, value in state[kind].items()}
    plain: dict[str, dict[str, Any]] = {}
    for index, values in optimizer["state"].items():
        plain[str(index)] = {name: value for name, value in values.items() if not isinstance(value, Tensor)}
        named |= {f"optimizer.{index}.{name}": value for name, value in values.items() if isinstance(value, Tensor)}
    tensors = {name: value.detach().cpu().contiguous() for name, value in named.items()}
    return tensors, {"param_groups": optimizer["param_groups"], "state": plain}


def _put_together(tensors: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    plain = body["optimizer"]
    state = {int(index): dict(values) for index, values in plain["state"].items()}
    networks: dict[str, dict[str, Any]] = {kind: {} for kind in _NETWORKS}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind in networks:
            networks[kind][rest] = value
        elif kind == "optimizer":
            index, _, what = rest.partition(".")
            state[int(index)][what] = value
    optimizer = {"param_groups": plain["param_groups"], "state": state}
    return {**networks, "optimizer": optimizer, "generator": tensors["generator"], "epoch": body["epoch"]}


def _record(folder: Path) -> dict[str, Any] | None:
    """What ``checkpoint.json`` says; None where it is missing, damaged or of another format."""
    content = _read(folder / RECORD)
    if content is None:
        return None
    body = durable.unseal(content)
    if body is None or body.get("format") != _FORMAT:
        logging.getLogger(__name__).warning("%s is damaged, or of another version", folder / RECORD)
        return None
    return body


def _read(path: Path) -> bytes | None:
    """What a file holds. One that cannot be read is as good as none: the training can always be done again."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
