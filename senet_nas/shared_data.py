"""The images of a search as files that its workers map into memory: read once, held once, however many workers."""

import json
from pathlib import Path
from typing import Any

from senet_nas import streaming
from senet_nas.data import Data

SETS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
DESCRIPTION = "description"


def write(data: Data, path: Path) -> Path:
    """Leaves all six tensors and what describes them at ``path``. Raises OSError, a full disk above all.

    Images that are mapped already stay in their folder, which is returned.
    """
    from safetensors.torch import save_file

    about = json.dumps({name: value for name, value in vars(data).items() if name not in SETS})
    if data.folder is not None:
        Path(data.folder, DESCRIPTION).write_text(about)
        return Path(data.folder)
    save_file({name: getattr(data, name) for name in SETS}, path, {DESCRIPTION: about})
    return path


def read(path: Path) -> Data:
    """What :func:`write` wrote. Pages are read when they are needed, and shared with every process that maps the file."""
    from safetensors import safe_open

    if path.is_dir():
        known: dict[str, Any] = {name: streaming.read(path / f"{name}.npy") for name in SETS}
        about = (path / DESCRIPTION).read_text()
    else:
        with safe_open(path, "pt") as file:
            known = {name: file.get_tensor(name) for name in SETS}
            about = file.metadata()[DESCRIPTION]
    known |= {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(about).items()}
    return Data(**known)
