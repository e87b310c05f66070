"""The arrays of a .npz file: samples and labels of each set, and the names of the classes. NumPy is imported when used.

The file holds ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_val`` and so on, and optionally ``classes``.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas.data.folder_classes import SETS
from senet_nas.data.keys import wanted
from senet_nas.data.signal_checks import check_names, check_numbering
from senet_nas.recipe import DataSpec
from spaces.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Arrays:
    """The arrays of each set (train, and val and test if they are there), with the name of each array of samples."""

    x: "Mapping[str, NDArray[np.generic]]"
    y: "Mapping[str, Labels]"
    names: Mapping[str, str]
    classes: tuple[str, ...]


def read(path: Path, *, hint: str) -> Arrays:
    """The arrays of a file. ``hint`` says which shapes they have. Raises UserError."""
    arrays = load(path)
    endings = {"train": "_train" if "x_train" in arrays else ""}
    endings |= {part: f"_{part}" for part in ("val", "test") if f"x_{part}" in arrays}
    _check_sets(arrays, endings, path)
    wanted = [f"{letter}{end}" for end in endings.values() for letter in "xy"]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise UserError(f"{path} lacks {', '.join(missing)}; it holds {held}", hint=hint, key="data.path")
    y = {part: _labels(arrays[f"y{end}"], f"y{end}") for part, end in endings.items()}
    check_names([str(name) for name in arrays.get("classes", ())], f"the array classes of {path}")
    named = {f"y{end}": y[part] for part, end in endings.items()}
    check_numbering(named, len(arrays["classes"]) if "classes" in arrays else None)
    n_classes = 1 + max(int(y_N.max(initial=0)) for y_N in y.values())
    return Arrays(
        {part: arrays[f"x{end}"] for part, end in endings.items()},
        y,
        {part: f"x{end}" for part, end in endings.items()},
        tuple(str(name) for name in arrays.get("classes", range(n_classes))),
    )


def load(path: Path) -> "dict[str, NDArray[np.generic]]":
    """The arrays of a file by name; the array of a .npy file has the name of the file. Raises UserError."""
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
        return dict(found) if isinstance(found, np.lib.npyio.NpzFile) else {path.name: found}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} cannot be read: {_unread(error)}", hint="write it with numpy.savez or numpy.save", key="data.path"
        ) from error


def keys(path: Path, counts: Mapping[str, int], spec: DataSpec) -> dict[str, tuple[str, ...]]:
    """The group or the time of each sample, by set, from the array that the config names; empty if it names none.

    ``counts`` are the samples of each array ``x``, ``x_train``, ...; the array is named alike: ``patient``,
    ``patient_train``, ... Raises UserError if it is missing, or does not hold one value for each sample.
    """
    import numpy as np

    key, text = wanted(spec)
    if not key:
        return {}
    with np.load(path, allow_pickle=False) as file:
        named = {name: f"{text}{name[1:]}" for name in counts}
        missing = [name for name in named.values() if name not in file]
        if missing:
            held = ", ".join(sorted(file.files))
            guess = nearest(text, [name.partition("_train")[0] for name in file.files])
            raise UserError(
                f"{path} lacks {', '.join(missing)}; it holds {held}",
                hint=f"did you mean `{guess}`?" if guess else f"write the {key} of each sample as an array",
                key=f"data.{key}",
            )
        found = {name: file[array] for name, array in named.items()}
    for name, values in found.items():
        if values.shape != (counts[name],):
            raise UserError(
                f"{named[name]} of {path} has the shape {values.shape}; {name} holds {counts[name]} samples",
                hint=f"give each sample one {key}",
                key=f"data.{key}",
            )
    return {part_of(name): tuple(str(value) for value in values.tolist()) for name, values in found.items()}


def is_split(path: Path) -> bool:
    """Whether a .npz file names its training set."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return "x_train" in file


def part_of(name: str) -> str:
    """The set of an array: ``x_val`` holds the validation set, ``x`` the training set."""
    part = name.partition("_")[2] or "train"
    return "validation" if part == "val" else part


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_sets(arrays: Mapping[str, object], endings: Mapping[str, str], path: Path) -> None:
    """Raises UserError for samples that no set would hold, such as x_valid, or x beside x_train."""
    used = {f"x{end}" for end in endings.values()}
    means = {"x": ""} | {f"x_{word}": f"x_{name}" for name, words in SETS.items() for word in words}
    left = next((name for name in arrays if name not in used and name.lower() in means), None)
    if left is not None and used & arrays.keys():
        guess = means[left.lower()]
        raise UserError(
            f"{path} holds {', '.join(sorted(used & arrays.keys()))}, and {left} is none of its sets",
            hint=f"call it {guess}" if guess not in ("", left) else "use x, or x_train, x_val and x_test",
            key="data.path",
        )


def _unread(error: Exception) -> str:
    """What is wrong with a file, without numpy's advice to set allow_pickle, which would run code from the file."""
    if "Object arrays" in str(error):
        return "it holds Python objects, not numbers"
    if "pickle" in str(error):
        return "it is not a file of numpy"
    return str(error)


def _labels(y: "NDArray[np.generic]", name: str) -> "Labels":
    """Labels (N,) as int64. Raises UserError for a label that is not a whole number: rounding would merge classes."""
    import numpy as np

    hint = "write classes as whole numbers from 0 on"
    if y.ndim != 1 or y.dtype.kind not in "fiub":
        raise UserError(
            f"{name} is {y.dtype} of shape {y.shape}, not one class for each sample", hint=hint, key="data.path"
        )
    y_N = y.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(y_N) | (y_N != np.floor(y_N)))
    if len(broken):
        raise UserError(
            f"{len(broken)} of {len(y_N)} labels of {name} are not whole numbers, "
            f"the first is {y_N[broken[0]]:g} at sample {broken[0]}",
            hint=hint,
            key="data.path",
        )
    return y.astype(np.int64)
