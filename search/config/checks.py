"""Checks that types cannot express: names from a table, texts with a grammar, keys that must agree.

Every name is looked up in the table that defines it. These tables import no torch.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from search.config import metric_checks, search_checks, source_checks
from search.config.config_error import Fault, Path, redacted
from search.planning.samplers import SAMPLERS
from senet_nas.data.datasets import DATASETS, named
from senet_nas.deploy.runtime_table import RUNTIMES
from senet_nas.network.backbones import table
from senet_nas.network.operators import GATES
from senet_nas.network.squeezes import CHANNELS, SQUEEZES
from senet_nas.training import quality_metrics
from spaces.errors import UserError, nearest, unknown
from spaces.spelling import EXCITATIONS, OPERATORS

# Schemes that pyarrow has a file system for.
STORES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")

# The table with the allowed names of a key; `*` stands for any item of a list.
NAMES: Mapping[str, Iterable[str]] = {
    "data.dataset": DATASETS,
    "space.squeeze.*": [name for name, row in SQUEEZES.items() if row.leaves == CHANNELS],
    "space.excitation.*": EXCITATIONS,
    "space.operators.*": OPERATORS,
    "space.gate.*": GATES,
    "objectives.*.metric": metric_checks.METRICS,
    "latency.runtime": RUNTIMES,
    "record.*": quality_metrics.listed(),
    "search.sampler": SAMPLERS,
}

_TIME = re.compile(r"(?:(\d{1,5}(?:\.\d+)?)h)?(?:(\d{1,7}(?:\.\d+)?)m)?(?:(\d{1,9}(?:\.\d+)?)s)?")
_SITE = re.compile(r"[\w.*]+")
_ADDRESS = re.compile(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
_CALLABLE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")


def seconds(text: str | None) -> float | None:
    """The seconds in ``90s``, ``10m``, ``2h`` or ``1h30m``; None for None. Raises UserError."""
    if text is None:
        return None
    match = _TIME.fullmatch(text.replace(" ", ""))
    parts = match.groups() if match else ()
    total = sum(float(part or 0) * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if total <= 0:
        raise UserError(f"`{text}` is not a duration", hint="write for example 90s, 10m, 2h or 1h30m")
    return total


def faults(tree: Mapping[str, Any], is_broken: Callable[[Path], bool]) -> Iterator[Fault]:
    """All mistakes that the declarations do not find. Skips values that are already known to be wrong."""
    for pattern, check in _VALUES.items():
        for path, value in _matching(tree, pattern.split(".")):
            if not is_broken(path):
                yield from _fault(path, check, value)
    for key, agree in _TOGETHER.items():
        if not is_broken((key,)):
            yield from agree(tree)


def leftovers(tree: Mapping[str, Any], is_broken: Callable[[Path], bool]) -> Iterator[Fault]:
    """What changes nothing and is refused in a new config. Earlier versions ignored it, so a stored one may hold it."""
    for key, found in _LEFTOVERS.items():
        if not is_broken((key,)):
            yield from found(tree)


# -- single values ----------------------------------------------------------------------------------------------------


def _named(pattern: str) -> Callable[[str], None]:
    what = next(part for part in reversed(pattern.split(".")) if part != "*")

    def check(name: str) -> None:
        if name not in NAMES[pattern]:
            raise unknown(what, name, NAMES[pattern])

    return check


def _evaluate(text: str) -> None:
    kind, _, rest = text.partition(":")
    if kind == "python" and not _CALLABLE.fullmatch(rest):
        raise UserError(f"`{rest}` is not the path of a function", hint="write python:package.module:function")
    if kind == "table" and not rest:
        raise UserError("the file of the table is missing", hint="write table:FILE")
    is_known = kind in ("table", "python") or text == "train"
    if not is_known:
        guess = nearest(kind, ("train", "table", "python"))
        raise UserError(
            f"unknown evaluate `{text}`; allowed: train, table:FILE, python:package.module:function",
            hint=f"did you mean `{guess}`?" if guess else "",
        )


def _ratio(value: int) -> None:
    if not 1 <= value <= 65_536:
        raise UserError(f"must be at least 1 and at most 65536, got {value}")


def _stage(value: int) -> None:
    if value < 1:
        raise UserError(f"must be at least 1, got {value}", hint="stages are counted from 1")


def _share(value: float) -> None:
    if not 0 < value < 1:
        raise UserError(f"must be more than 0 and less than 1, got {value}", hint="write a share of all epochs")


def _gpus(value: str | float) -> None:
    if not isinstance(value, str) and value > 1 and value != int(value):
        raise UserError(
            f"must be a share of one GPU or a whole number of GPUs, got {value}", hint="write for example 2"
        )


def _path(value: str | None) -> None:
    if value is not None and not value.strip():
        raise UserError("expected a path, got empty text")


def _site(pattern: str) -> None:
    if not _SITE.fullmatch(pattern):
        raise UserError(f"`{pattern}` is not the path of a module", hint="write for example features.*.block")


def _ray(address: str) -> None:
    if address.startswith("ray://"):
        hint = "log in to a node of the cluster and write auto, or start the command with `ray job submit`"
        raise UserError("ray:// would run the search on the head node, without its ledger and its terminal", hint=hint)
    if address not in ("local", "auto") and not _ADDRESS.fullmatch(address):
        raise UserError(
            f"`{address}` is not a Ray cluster; allowed: local, auto, HOST:PORT", hint="the usual port is 6379"
        )


def _storage(uri: str | None) -> None:
    scheme, found, rest = (uri or "").partition("://")
    if uri is not None and not (found and rest and scheme in STORES and not re.search(r"\s", uri)):
        allowed = ", ".join(f"{name}://" for name in STORES)
        raise UserError(
            f"`{redacted(uri)}` cannot hold checkpoints; allowed: {allowed}",
            hint="write for example s3://bucket/folder, or file:///folder for a disk that all nodes see",
        )


def _cache(value: str) -> None:
    if value.lower() in ("on", "yes", "true", "no", "none", "false", ""):
        raise UserError(
            f"`{value}` is not a place for decoded images; allowed: auto, off, or a folder",
            hint="write auto to keep them, off to decode them each time",
        )


_VALUES: Mapping[str, Callable[[Any], Any]] = {
    **{pattern: _named(pattern) for pattern in NAMES},
    "data.dataset": named,
    "record.*": metric_checks.recorded,
    "objectives.*.metric": lambda _: None,  # which names are allowed depends on `evaluate`
    "data.path": _path,
    "data.cache": _cache,
    "space.reduction.*": _ratio,
    "space.stages.*": _stage,
    "train.milestones.*": _share,
    "model.sites.*": _site,
    "budget.time": seconds,
    "resources.patience": seconds,
    "resources.gpus_per_slot": _gpus,
    "resources.ray": _ray,
    "resources.storage": _storage,
    "evaluate": _evaluate,
}


def _matching(value: Any, pattern: list[str], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The path and the value of everything that a pattern of keys matches."""
    if not pattern:
        yield path, value
    elif pattern[0] == "*":
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _matching(item, pattern[1:], (*path, index))
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _matching(value[pattern[0]], pattern[1:], (*path, pattern[0]))


def _fault(path: Path, check: Callable[[Any], Any], value: Any) -> Iterator[Fault]:
    try:
        check(value)
    except UserError as error:
        yield Fault(path, error.message, error.hint)


# -- keys that must agree ---------------------------------------------------------------------------------------------


def _backbone(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """The backbone must exist. A table may hold other networks, with their sites and costs beside them."""
    if not str(tree.get("evaluate", "")).startswith("table:"):
        yield from _fault(("model", "backbone"), table.check, tree["model"]["backbone"])
    if tree["model"].get("sites") and not table.is_own(str(tree["model"]["backbone"])):
        hint = "remove model.sites; space.sites restricts the blocks that may get SE"
        yield Fault(("model", "sites"), "applies only to a network of your own", hint)


def _weights(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """A file of weights is for a start from them."""
    if tree["model"].get("weights") is not None and tree["model"].get("init") != "pretrained":
        hint = "remove model.init, or write `init: pretrained`"
        yield Fault(("model", "weights"), "applies only to init: pretrained", hint)


def _train(tree: Mapping[str, Any]) -> Iterator[Fault]:
    train = tree.get("train")
    if isinstance(train, dict) and isinstance(tree["model"], dict):
        yield from _freeze(train, tree["model"])
    if isinstance(train, dict) and train.get("crop") and train.get("crop_area", 1) != 1:
        hint = "remove one of them"
        yield Fault(("train", "crop"), "crop and crop_area exclude each other: both crop the image", hint)
    if isinstance(train, dict) and train.get("sampling") == "balanced" and train.get("balance") == "weights":
        hint = "remove train.sampling"
        yield Fault(("train", "sampling"), "a small class would count twice: balanced shows it more often, too", hint)


def _freeze(train: Mapping[str, Any], model: Mapping[str, Any]) -> Iterator[Fault]:
    """Only pretrained weights are worth keeping; a function of the user's may load some itself."""
    freeze = train.get("freeze", "none")
    if freeze == "none":
        return
    backbone = str(model.get("backbone"))
    is_random = table.is_timm(backbone) or not table.is_own(backbone)
    if is_random and model.get("init") != "pretrained":
        hint = "write `model.init: pretrained`, or name a file: `model.weights: FILE`"
        yield Fault(("train", "freeze"), "the backbone would keep random weights", hint)
    if freeze == "backbone" and train.get("backbone_lr") is not None:
        yield Fault(("train", "backbone_lr"), "has no effect: the backbone is frozen", "remove it, or train.freeze")


_TOGETHER: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Fault]]] = {
    "search": search_checks.agreeing,
    "model": lambda tree: (*_backbone(tree), *_weights(tree)),
    "data": lambda tree: (
        *source_checks.columns(tree),
        *source_checks.described(tree),
        *source_checks.divided(tree),
        *source_checks.resize(tree),
    ),
    "train": _train,
    "objectives": metric_checks.objectives,
    "latency": metric_checks.latency,
}
_LEFTOVERS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Fault]]] = {
    "data": source_checks.unread_path,
    "latency": metric_checks.two_formats,
}
