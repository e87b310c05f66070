"""Defaults of ``space`` and ``train`` that fit the ``model`` of a config.

So an omitted setting never causes an error, and a fine-tuning does not lose its pretrained weights.
"""

from collections.abc import Mapping
from typing import Any

from senet_nas.costs.measures import is_measure
from senet_nas.network.backbones.table import is_own
from senet_nas.recipe import Recipe
from senet_nas.training.quality_metrics import metric_of

# A block starts as the identity if its gate is exactly 1 at zero, or if it stands where the layer before is doubled.
IDENTITY_POSITION = "pre_addition"
IDENTITY_GATE = "sigmoid2"
# Of a fine-tuning: peak learning rate, and the share of the epochs over which it rises, at most one epoch.
FINE_LR = 0.05
FINE_WARMUP = 0.1
# The gain that is usually worthwhile, in points of accuracy.
WORTHWHILE = 0.2


def fitted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with those settings of ``space`` and ``train`` whose usual default does not fit; what is written stays.

    A file of weights means ``init: pretrained``. The sites of a network of the user's own offer the position ``output``
    alone. SE that begins as the identity needs the position ``pre_addition``, or a gate that can be exactly 1.
    Pretrained weights get a lower learning rate and a warm-up, unless ``train.lr`` is set.
    Thresholds of gains follow the first quality of the objectives.
    """
    tree = {**tree, **_thresholds(tree)}
    model = tree.get("model")
    space = tree.get("space", {})
    if not isinstance(model, Mapping) or not isinstance(space, Mapping):
        return dict(tree)
    if model.get("weights") is not None and "init" not in model:
        model = {**model, "init": "pretrained"}
    chosen = dict(space)
    is_identity = model.get("init") in ("identity", "pretrained")
    if "position" not in space and _has_named_sites(model):
        chosen["position"] = ["output"]
    elif "position" not in space and is_identity:
        chosen["position"] = [IDENTITY_POSITION]
    if is_identity and "gate" not in space and chosen["position"] != [IDENTITY_POSITION]:
        chosen["gate"] = [IDENTITY_GATE]
    found = {**tree, "model": model, **({"space": chosen} if chosen != space else {})}
    return {**found, "train": _fine_tuning(tree.get("train", {}))} if has_fine_rate(tree) else found


def has_fine_rate(tree: Any) -> bool:
    """Whether a config gets the learning rate of a fine-tuning: its weights are pretrained, and it names no rate."""
    model = tree.get("model") if isinstance(tree, Mapping) else None
    if not isinstance(model, Mapping):
        return False
    train = tree.get("train", {})
    is_pretrained = model.get("init", "pretrained" if model.get("weights") is not None else "") == "pretrained"
    return is_pretrained and isinstance(train, Mapping) and "lr" not in train


def _fine_tuning(train: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"lr": FINE_LR}
    epochs = train.get("epochs", Recipe.epochs)
    if isinstance(epochs, int):
        chosen["warmup"] = min(1.0, FINE_WARMUP * epochs)
    return {**chosen, **train}


def _thresholds(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``search`` with thresholds in the unit of the first quality, if that is no percentage."""
    objectives, search = tree.get("objectives"), tree.get("search", {})
    named = objectives if isinstance(objectives, list) else []
    first = next((o for o in named if isinstance(o, Mapping) and not is_measure(str(o.get("metric")))), None)
    if first is None or not isinstance(search, Mapping) or not isinstance(first.get("metric"), str):
        return {}
    metric = metric_of(first["metric"], unit=first.get("unit"))
    worthwhile = search.get("worthwhile")
    if metric.is_percent:
        return {}
    if worthwhile is None and metric.step is not None:
        worthwhile = WORTHWHILE * metric.step
    if not isinstance(worthwhile, int | float) or isinstance(worthwhile, bool):
        return {}
    usual = {"worthwhile": worthwhile, "tolerance": worthwhile / 2, "min_gain": worthwhile / 4}
    return {"search": {**usual, **search}}


def _has_named_sites(model: Mapping[str, Any]) -> bool:
    backbone = model.get("backbone")
    return isinstance(backbone, str) and is_own(backbone) and model.get("sites") not in (None, "auto", [])
