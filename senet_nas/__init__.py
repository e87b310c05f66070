"""What happens inside one training: networks with SE slots, data, training, overhead, export. Never ray, optuna, mlflow.

The names below are loaded on first use, so that ``import senet_nas`` does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from senet_nas.build import build, sites
    from senet_nas.export import export, load
    from senet_nas.overhead import price_list
    from senet_nas.recipe import DataSpec, Recipe, Seed, Task

_HOME = {
    "build": "build", "sites": "build", "export": "export", "load": "export", "price_list": "overhead",
    "DataSpec": "recipe", "Recipe": "recipe", "Seed": "recipe", "Task": "recipe",
}  # fmt: skip
__all__ = [
    "DataSpec", "Recipe", "Seed", "Task", "build", "export", "load", "price_list", "sites",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'senet_nas' has no attribute {name!r}")
    return getattr(importlib.import_module(f"senet_nas.{_HOME[name]}"), name)
