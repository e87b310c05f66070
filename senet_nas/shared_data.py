"""The images of a search as one file that its workers map into memory: read once, held once, however many workers."""

import json
from pathlib import Path
from typing import Any

from senet_nas.data import Data

SETS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
DESCRIPTION = "description"


def write(data: Data, path: Path) -> None:
    """All six tensors, and beside them what describes them. Raises OSError, a full disk above all."""
    from safetensors.torch import save_file

    about = {name: value for name, value in vars(data).items() if name not in SETS}
    save_file({name: getattr(data, name) for name in SETS}, path, {DESCRIPTION: json.dumps(about)})


def read(path: Path) -> Data:
    """What :func:`write` wrote. Pages are read when they are needed, and shared with every process that maps the file."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        known: dict[str, Any] = {name: file.get_tensor(name) for name in SETS}
        known |= json.loads(file.metadata()[DESCRIPTION])
    known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return Data(**known)
