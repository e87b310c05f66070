"""Signals as people save them: what is said of each, in an error or in a caution, or that they are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

N = 40
NOISE = np.random.default_rng(0).normal(0, 1, (N, 2, 16))
Y = np.arange(N) % 2


@dataclass(frozen=True)
class Odd:
    """``arrays`` of a .npz file; a part of the error or of a caution, or neither if they are simply read."""

    name: str
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    refused: str = ""
    says: str = ""


def one(x: np.ndarray, y: np.ndarray = Y) -> dict[str, np.ndarray]:
    return {"x": x, "y": y}


def sets(**parts: np.ndarray) -> dict[str, np.ndarray]:
    labelled = {f"y_{part}": np.arange(len(x)) % 2 for part, x in parts.items()}
    return {f"x_{part}": x for part, x in parts.items()} | labelled


SHAPES = "signals of different shapes (C, L): "
BELOW = "differences in x are below the resolution of float32"
NEAR = "differences within the signals of x are near the resolution of float32"
RAMP = np.arange(N)[:, None, None]
WAVE = np.rint(NOISE * 50).astype(np.int64)
ODD = [
    # -- shapes
    Odd("another number of channels", sets(train=NOISE, val=NOISE[:, :1]), SHAPES + "x_train (2, 16), x_val (1, 16)"),
    Odd("another length", sets(train=NOISE, val=NOISE[..., :8]), SHAPES + "x_train (2, 16), x_val (2, 8)"),
    Odd("another test set", sets(train=NOISE, test=NOISE[..., :8]), SHAPES + "x_train (2, 16), x_test (2, 8)"),
    Odd("sets with and without channels", sets(train=NOISE[:, :1], val=NOISE[:, 0])),
    Odd("turned", one(NOISE.transpose(0, 2, 1)), says="more channels (16) than steps (2)"),
    Odd("as many channels as steps", one(NOISE[..., :2])),
    # -- resolution of float32
    Odd("a large offset", one(NOISE + 1e9), BELOW),
    Odd("a large offset of one channel", one(NOISE + np.array([[0], [1e9]])), BELOW + " (channel 1)"),
    Odd("an offset that float32 resolves", one(NOISE + 1e4)),
    Odd("tiny values", one(NOISE * 1e-50), BELOW),
    Odd("small values", one(NOISE * 1e-30)),
    Odd("large values", one(NOISE * 1e30)),
    Odd("times in nanoseconds", one(WAVE + 1_700_000_000_000_000_000), BELOW),
    Odd("unsigned times", one(WAVE.astype(np.uint64) + np.uint64(2**62)), BELOW),
    Odd("24 bits on an offset, exact", one(WAVE.astype(np.int32) + 2**23)),
    Odd("32 bits on an offset", one(WAVE.astype(np.int32) + 2**30), BELOW),
    Odd("the whole range of int64", one(WAVE * 2**54)),
    Odd("a constant channel", one(NOISE * [[1], [0]] + 0.1)),
    Odd("a constant for each signal", one(np.concatenate([NOISE, np.zeros_like(NOISE) + RAMP / 7], 1))),
    Odd("another large offset for each signal", one(NOISE + RAMP * 1e9), says=NEAR),
    # -- values
    Odd("too large for float32", one(NOISE * 1e60), "40 of 40 signals of x hold values too large for float32, above 3"),
    Odd(
        "one value too large",
        one(np.where(np.arange(16) == 3, 1e39 * (RAMP == 7), NOISE)),
        "1 of 40 signals of x hold values too large for float32, above 3.4e+38, the first is 7",
    ),
    Odd("infinite", one(np.where(RAMP == 7, np.inf, NOISE)), "values that are not finite, the first is 7"),
    Odd("long doubles too large", one(NOISE.astype(np.longdouble) * np.longdouble("1e400")), "too large for float32"),
    # -- labels
    Odd("labels from 1", one(NOISE, Y + 1), "the labels in y are 1, 2; classes are numbered from 0 on"),
    Odd("labels -1 and 1", one(NOISE, 2 * Y - 1), "the labels in y are -1, 1; classes"),
    Odd("a gap", one(NOISE, 5 * Y), "the labels in y are 0, 5; classes"),
    Odd("a huge label", one(NOISE, 10**12 * Y), "the labels in y are 0, 1000000000000; classes"),
    Odd("named classes from 1", one(NOISE, Y + 1) | {"classes": np.array(["a", "b"])}, "the labels in y are 1, 2"),
    Odd("two classes of one name", one(NOISE, Y) | {"classes": np.array(["a", "a"])}, "holds two classes called `a`"),
    Odd(
        "a named class without signals",
        one(NOISE, Y + 1) | {"classes": np.array(["a", "b", "c"])},
        "1 of 3 classes have no image",
    ),
]
