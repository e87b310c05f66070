"""Defaults of ``space`` that fit the ``model`` of a config, so that an omitted setting never causes an error."""

from collections.abc import Mapping
from typing import Any

from senet_nas.network.backbones.table import is_own

# A block starts as the identity if its gate is exactly 1 at zero, or if it stands where the layer before is doubled.
IDENTITY_POSITION = "pre_addition"
IDENTITY_GATE = "sigmoid2"


def fitted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with those settings of ``space`` whose usual default does not fit; what is written stays.

    A file of weights means ``init: pretrained``. The sites of a network of the user's own offer the position ``output``
    alone. SE that begins as the identity needs the position ``pre_addition``, or a gate that can be exactly 1.
    """
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
    return {**tree, "model": model, **({"space": chosen} if chosen != space else {})}


def _has_named_sites(model: Mapping[str, Any]) -> bool:
    backbone = model.get("backbone")
    return isinstance(backbone, str) and is_own(backbone) and model.get("sites") not in (None, "auto", [])
