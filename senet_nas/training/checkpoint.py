"""The state of a training between two epochs, on disk: tensors as safetensors, all else as JSON, nothing pickled.

``checkpoint.json`` is written last. It names its tensors by epoch and SHA-256, and carries its own SHA-256. Only then
are the tensors of the previous checkpoint removed, so a crash at any moment leaves one complete checkpoint.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces import durable

if TYPE_CHECKING:
    from torch import Tensor

# Least time between two checkpoints; a shorter training is quickly repeated. On two busy CPU cores, saving took 0.06 s
# for cifar_resnet20 (2 MB) and 0.9 s for resnet18 (90 MB).
CHECKPOINT_SECONDS = 10.0
RECORD = "checkpoint.json"
# Increase it when the meaning of a record changes: checkpoints with another number are not read.
_FORMAT = 1
# The network that trains, and the moving average of its weights, which is empty if the recipe has none.
_NETWORKS = ("model", "average")

Curve = Sequence[Mapping[str, float]]


def save(folder: Path, state: Mapping[str, Any], curve: Curve, *, owner: Mapping[str, str]) -> None:
    """Writes a ``Training.state()`` durably, with the metrics of the epochs so far.

    ``owner`` identifies the training. Raises OSError if the disk does not take it; an earlier checkpoint then stays.
    """
    tensors, plain = _split(state)
    write(folder, state["epoch"], tensors, curve, owner=owner, optimizer=plain, scaler=state.get("scaler", {}))


def load(folder: Path, *, owner: Mapping[str, str]) -> tuple[dict[str, Any], list[dict[str, float]]] | None:
    """The state for ``Training.load_state()``, and the metrics of the epochs so far.

    None if the folder has no checkpoint, or if it is damaged or another training's: the training then starts over.
    """
    found = read(folder, owner=owner)
    if found is None:
        return None
    tensors, body = found
    return _joined(tensors, body), body["curve"]


def write(
    folder: Path, epoch: int, tensors: "Mapping[str, Tensor]", curve: Curve, *, owner: Mapping[str, str], **values: Any
) -> None:
    """Writes tensors on the CPU and JSON values durably, as the checkpoint after an epoch. Raises OSError."""
    from safetensors.torch import save as serialised

    from senet_nas.network.weights import separate

    content = serialised(separate(dict(tensors)))
    path = folder / _tensors(epoch)
    body = {
        "format": _FORMAT,
        "owner": dict(owner),
        "epoch": epoch,
        "curve": [dict(metrics) for metrics in curve],
        **values,
        "tensors": durable.sha256_of(content),
    }
    durable.write(path, content)
    durable.write(folder / RECORD, durable.seal(body))
    _remove_tensors(folder, but=path.name)


def read(folder: Path, *, owner: Mapping[str, str]) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
    """The tensors and the record that :func:`write` wrote; None as for :func:`load`."""
    body = _record(folder)
    if body is None:
        return None
    content = _read(folder / _tensors(body["epoch"]))
    if content is None or durable.sha256_of(content) != body["tensors"] or body["owner"] != dict(owner):
        logging.getLogger(__name__).warning("%s does not match its tensors or its training", folder / RECORD)
        return None
    from safetensors.torch import load as deserialised

    return deserialised(content), body


def curve(folder: Path) -> list[dict[str, float]]:
    """Metrics of the epochs up to the checkpoint; empty without a checkpoint. Needs no torch."""
    body = _record(folder)
    return body["curve"] if body is not None else []


def epochs(folder: Path) -> int:
    """The number of epochs that the checkpoint holds; 0 without a checkpoint. Needs no torch."""
    body = _record(folder)
    return int(body["epoch"]) if body is not None else 0


def names(folder: Path) -> tuple[str, ...]:
    """The names of the files of the checkpoint, in the order in which they must be written; empty without one."""
    body = _record(folder)
    return (_tensors(body["epoch"]), RECORD) if body is not None else ()


def is_part(name: str) -> bool:
    """Whether a checkpoint has files of this name."""
    return name == RECORD or re.fullmatch(r"checkpoint-\d+\.safetensors", name) is not None


def described(record: bytes) -> tuple[int, str] | None:
    """The number of epochs and the file of the tensors of a ``checkpoint.json``, given its content.

    None if it is damaged or of another format.
    """
    body = durable.unseal(record)
    if body is None or body.get("format") != _FORMAT:
        return None
    return int(body["epoch"]), _tensors(body["epoch"])


def remove(folder: Path) -> None:
    """Removes the checkpoint of a folder, complete or half written."""
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


def _split(state: Mapping[str, Any]) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """The tensors of a state on the CPU, by name, and the plain values of its optimizer."""
    from torch import Tensor

    named: dict[str, Tensor] = {"generator": state["generator"]}
    for kind in _NETWORKS:
        for name, value in state[kind].items():
            named[f"{kind}.{name}"] = value
    plain: dict[str, dict[str, Any]] = {}
    for index, values in state["optimizer"]["state"].items():
        plain[str(index)] = {}
        for name, value in values.items():
            if isinstance(value, Tensor):
                named[f"optimizer.{index}.{name}"] = value
            else:
                plain[str(index)][name] = value
    tensors = {name: value.detach().cpu().contiguous() for name, value in named.items()}
    return tensors, {"param_groups": state["optimizer"]["param_groups"], "state": plain}


def _joined(tensors: "Mapping[str, Tensor]", body: Mapping[str, Any]) -> dict[str, Any]:
    """The state that :func:`_split` took apart."""
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
    scaler = body.get("scaler", {})  # older versions had none
    return {
        **networks,
        "optimizer": optimizer,
        "scaler": scaler,
        "generator": tensors["generator"],
        "epoch": body["epoch"],
    }


def _record(folder: Path) -> dict[str, Any] | None:
    """The content of ``checkpoint.json``; None if it is missing, damaged or of another format."""
    content = _read(folder / RECORD)
    if content is None:
        return None
    body = durable.unseal(content)
    if body is None or body.get("format") != _FORMAT:
        logging.getLogger(__name__).warning("%s is damaged or of another version", folder / RECORD)
        return None
    return body


def _read(path: Path) -> bytes | None:
    """The content of a file; None if it cannot be read, because the training can always be repeated."""
    try:
        return path.read_bytes()
    except OSError:
        return None
