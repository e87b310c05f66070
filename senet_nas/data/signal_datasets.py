"""One-dimensional signals as measured: float32 arrays x_NLC and labels y_N. Heavy libraries are imported where used."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas.data import array_file
from senet_nas.data.folder_walk import is_litter, shown
from senet_nas.data.keys import wanted
from senet_nas.data.signal_checks import as_float32, check_names, check_shapes, turned
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from spaces.text import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Signals = NDArray[np.float32]
    Labels = NDArray[np.int64]
    Labelled = tuple[Signals, Labels]

SHAPES = "arrays have the shape (N, L) or (N, C, L): samples, channels, steps"
# The sets by name, the names of the classes, and cautions.
Found = tuple["dict[str, Labelled]", tuple[str, ...], tuple[str, ...]]
WAVES = ("sine", "square", "sawtooth", "triangle")


def waveforms(n: int = 2000, length: int = 500) -> "tuple[Labelled, tuple[str, ...]]":
    """Synthetic signals (n, length, 1) of four shapes, and the names of the shapes.

    Frequency, phase and height are random; the noise is about as strong as the signal.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    y_N = np.arange(n, dtype=np.int64) % len(WAVES)
    cycles_N = rng.uniform(4, 16, n)
    phase_N = rng.uniform(0, 1, n)
    height_N = rng.uniform(0.5, 2, n)
    turn_NL = (cycles_N[:, None] * np.linspace(0, 1, length) + phase_N[:, None]) % 1
    ramp_NL = 2 * turn_NL - 1
    shapes_KNL = np.stack([np.sin(2 * np.pi * turn_NL), np.sign(ramp_NL), ramp_NL, 2 * np.abs(ramp_NL) - 1])
    clean_NL = shapes_KNL[y_N, np.arange(n)] * height_N[:, None]
    noisy_NL = clean_NL + rng.normal(0, 0.7, (n, length)) * height_N[:, None]
    return (noisy_NL[..., None].astype(np.float32), y_N), WAVES


def read(path: Path) -> Found:
    """The sets (train, and val and test if they are there), the classes and cautions of a .npz file or of a folder.

    A file holds the arrays ``x`` and ``y`` (or ``x_train``, ``y_train``, ``x_val``, ...), where y numbers the classes
    from 0 on, and optionally their names as ``classes``. A folder holds CLASS.npy for each class. Raises UserError.
    """
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path)
    raise UserError(
        f"no file or folder {path}",
        hint="give a .npz file with the arrays x and y, or a folder with CLASS.npy for each class",
        key="data.path",
    )


def keys(path: Path, sets: "Mapping[str, Labelled]", spec: DataSpec) -> dict[str, tuple[str, ...]]:
    """The group or the time of each signal, by set, if the config asks for one. Raises UserError."""
    if path.is_dir() and any(wanted(spec)):
        key, _ = wanted(spec)
        raise UserError(
            f"a folder of .npy files does not say the {key} of a signal",
            hint="write one .npz file with the signals and that array",
            key=f"data.{key}",
        )
    if not any(wanted(spec)):
        return {}
    train = "x_train" if array_file.is_split(path) else "x"
    names = {part: train if part == "train" else f"x_{part}" for part in sets}
    return array_file.keys(path, {names[part]: len(y_N) for part, (_, y_N) in sets.items()}, spec)


def _folder(root: Path) -> Found:
    import numpy as np

    every = sorted(root.iterdir())
    files = [path for path in every if path.suffix.lower() == ".npy" and not is_litter(path.name)]
    if len(files) < 2:
        raise UserError(
            f"{root} holds {len(files)} .npy files; a comparison needs at least 2 classes",
            hint="write one file for each class: CLASS.npy",
            key="data.path",
        )
    check_names([path.stem for path in files], str(root))
    parts, notes = _converted({name: array for path in files for name, array in array_file.load(path).items()})
    y_N = np.repeat(np.arange(len(parts)), [len(part) for part in parts.values()])
    notes += _skipped(every, files)
    return {"train": (np.concatenate([*parts.values()]), y_N)}, tuple(path.stem for path in files), notes


def _skipped(every: Sequence[Path], files: Sequence[Path]) -> tuple[str, ...]:
    """Sentences about entries of a folder that are no signals, or litter of a system."""
    hidden = [path for path in every if is_litter(path.name)]
    others = [path for path in every if path not in files and path not in hidden]
    return tuple(
        f"skipped {plural(len(left), what)} beside the signals; the first is {shown(left[0])}"
        for left, what in ((hidden, "hidden or system file"), (others, "other file"))
        if left
    )


def _file(path: Path) -> Found:
    found = array_file.read(path, hint=SHAPES)
    x, notes = _converted({found.names[part]: x for part, x in found.x.items()})
    sets = {part: (x[found.names[part]], y_N) for part, y_N in found.y.items()}
    return sets, found.classes, notes


def _converted(arrays: "Mapping[str, NDArray[np.generic]]") -> "tuple[dict[str, Signals], tuple[str, ...]]":
    """Signals x_NLC by the name of their array, of one shape, and cautions. Raises UserError."""
    found = {name: as_float32(_checked(x, name), name) for name, x in arrays.items()}
    signals = {name: x_NLC for name, (x_NLC, _) in found.items()}
    check_shapes(signals)
    notes = [note for _, cautions in found.values() for note in cautions]
    return signals, (*turned(next(iter(signals.values()))), *notes)


def _checked(x: "NDArray[np.generic]", name: str) -> "NDArray[np.generic]":
    """(N, L) or (N, C, L) as (N, L, C). Raises UserError."""
    import numpy as np

    if x.ndim not in (2, 3) or x.dtype.kind not in "fiub":
        raise UserError(f"{name} is {x.dtype} of shape {x.shape}", hint=SHAPES, key="data.path")
    return np.moveaxis(x if x.ndim == 3 else x[:, None], 1, -1)
