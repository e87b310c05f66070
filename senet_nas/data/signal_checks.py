"""Checks of signals before they become float32: what would be lost, and arrays that are not what they seem."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from spaces.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Signals = NDArray[np.float32]
    Labels = NDArray[np.int64]

# Rounding to float32 may change signals by this share of their deviation.
ROUNDED = 0.01
NAMED_LABELS = 10


def as_float32(x_NLC: "NDArray[np.generic]", name: str) -> "tuple[Signals, tuple[str, ...]]":
    """The values of numbers as float32, and cautions. Raises UserError if they are not finite or do not survive it."""
    import numpy as np

    _check_values(x_NLC, ~np.isfinite(x_NLC), name, "that are not finite", "repair or remove them")
    if np.can_cast(x_NLC.dtype, np.float32):
        return x_NLC.astype(np.float32), ()
    largest = float(np.finfo(np.float32).max)
    with np.errstate(over="ignore"):  # long doubles may exceed float64, too
        too_large = np.abs(x_NLC.astype(np.float64)) > largest
    _check_values(x_NLC, too_large, name, f"too large for float32, above {largest:.1e}", "scale all signals down")
    rounded_NLC = x_NLC.astype(np.float32)
    return rounded_NLC, _cautions(x_NLC, rounded_NLC, name)


def check_shapes(sets: "Mapping[str, Signals]") -> None:
    """Raises UserError unless the signals x_NLC of all sets, by the name of their array, have one shape."""
    shapes = {name: x_NLC.shape[:0:-1] for name, x_NLC in sets.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise UserError(f"signals of different shapes (C, L): {found}", hint="cut or pad them", key="data.path")


def check_numbering(labels: "Mapping[str, Labels]", n_named: int | None) -> None:
    """Raises UserError unless the labels of all sets are 0, 1, 2, ... without a gap.

    With ``n_named`` class names a class may lack signals; labels are refused only if they count from 1.
    """
    import numpy as np

    found = np.unique(np.concatenate([*labels.values()])).tolist()
    if n_named is not None and (not found or (found[0], found[-1]) != (1, n_named)):
        return
    if n_named is None and found == [*range(len(found))]:
        return
    named = ", ".join(map(str, found[:NAMED_LABELS])) + (", ..." if len(found) > NAMED_LABELS else "")
    arrays = ", ".join(labels)
    raise UserError(
        f"the labels in {arrays} are {named}; classes are numbered from 0 on, without a gap",
        hint=f"number the {len(found)} classes 0 to {len(found) - 1}",
        key="data.path",
    )


def check_names(classes: Sequence[str], where: str) -> None:
    """Raises UserError if two classes have one name, as those of ``a.npy`` and ``a.NPY``. Compared as Unicode's NFC."""
    names = [unicodedata.normalize("NFC", name) for name in classes]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is None:
        return
    raise UserError(
        f"{where} holds two classes called `{twice}`", hint="rename one, or join their samples", key="data.path"
    )


def turned(x_NLC: "Signals") -> tuple[str, ...]:
    """A caution about signals that have more channels than steps."""
    _, steps, channels = x_NLC.shape
    if channels <= steps:
        return ()
    return (
        f"signals have more channels ({channels}) than steps ({steps}); arrays have the shape (N, C, L), "
        "so turn the axes if these are steps",
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_values(
    x_NLC: "NDArray[np.generic]", wrong_NLC: "NDArray[np.bool_]", name: str, what: str, hint: str
) -> None:
    import numpy as np

    bad = np.flatnonzero(wrong_NLC.any((1, 2)))
    if len(bad):
        raise UserError(
            f"{len(bad)} of {len(x_NLC)} signals of {name} hold values {what}, the first is {bad[0]}",
            hint=hint,
            key="data.path",
        )


def _cautions(x_NLC: "NDArray[np.generic]", rounded_NLC: "Signals", name: str) -> tuple[str, ...]:
    """Raises UserError for a channel that rounding changes in comparison with its deviation.

    Deviations within single signals may be noise of a channel that is constant by nature, so they are a caution.
    """
    import numpy as np

    lossy = []
    for channel in range(x_NLC.shape[2]):
        x_NL = x_NLC[..., channel]
        if not x_NL.size:
            continue
        error = _error(x_NL, rounded_NLC[..., channel])
        moved_NL = _moved(x_NL)
        if error > ROUNDED * moved_NL.std() and np.ptp(moved_NL) > 0:
            raise UserError(
                f"differences in {name} are below the resolution of float32 (channel {channel})",
                hint="subtract an offset that all signals share, scale the values, or remove a constant channel",
                key="data.path",
            )
        within = np.sqrt(moved_NL.var(axis=1).mean())
        if error > ROUNDED * within and np.ptp(moved_NL, axis=1).max() > 0:
            lossy.append(channel)
    if not lossy:
        return ()
    where = ", ".join(map(str, lossy[:NAMED_LABELS]))
    return (
        f"differences within the signals of {name} are near the resolution of float32 (channel {where}): "
        "subtract the mean of each signal if they matter",
    )


def _error(x_NL: "NDArray[np.generic]", rounded_NL: "Signals") -> float:
    """The root of the mean square of what rounding changed."""
    import numpy as np

    if x_NL.dtype.kind == "f":
        return float(np.sqrt(np.mean(np.square(x_NL.astype(np.float64) - rounded_NL))))
    # Long doubles hold whole numbers of 64 bits exactly, which float64 rounds as float32 may do.
    return float(np.sqrt(np.mean(np.square(x_NL.astype(np.longdouble) - rounded_NL))))


def _moved(x_NL: "NDArray[np.generic]") -> "NDArray[np.float64]":
    """The values as float64 after the least one was subtracted; whole numbers lose nothing by it."""
    import numpy as np

    if x_NL.dtype.kind == "f":
        values_NL = x_NL.astype(np.float64)
        moved_NL: NDArray[np.float64] = values_NL - values_NL.min()
        return moved_NL
    whole_NL = x_NL if x_NL.dtype == np.uint64 else x_NL.astype(np.int64)
    # The difference of two int64 wraps around; read as uint64 it is right.
    wrapped_NL: NDArray[np.uint64] = (whole_NL - whole_NL.min()).view(np.uint64)
    return wrapped_NL.astype(np.float64)
