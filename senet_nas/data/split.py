"""The split into train, validation and test: fixed by a seed, with each class in the same share of every set.

Groups stay whole, times in order (:mod:`senet_nas.data.group_split`). With folds, the validation set is the first of
them, and the training set begins with the others, one after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from senet_nas.data import group_split
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

# Share of the labelled images outside the test set that train, unless the config says how many.
TRAIN_SHARE = 0.8
# The sets in the order of time; images that no set takes are the oldest.
EARLIEST_FIRST: tuple[str, ...] = ("unused", "train", "validation", "test")

# What is said of groups that keep nothing together.
IDLE = " (each image is a group of its own, so data.group changes nothing)"

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
Keys = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Division:
    """For train, validation and test, in this order: the set of the data that its images come from, and their indices.

    ``folds``: the number of images of each fold, the validation set first; empty without folds. ``words``: how groups
    or times were divided, for a person.
    """

    parts: Mapping[str, tuple[str, Indices]]
    folds: tuple[int, ...] = ()
    words: str = ""


def split(labels: Mapping[str, Labels], spec: DataSpec, n_classes: int, keys: Keys | None = None) -> Division:
    """The division of the sets that the data bring: ``train``, and ``validation`` and ``test`` if they are there.

    ``labels`` and ``keys`` (groups or times) are those of their images. The split follows from ``spec.split_seed``
    alone, and every set holds the classes in about the same shares. Raises UserError where the data are too few for the
    sizes that the spec asks for, or where the sets that they bring share a group.
    """
    rng = np.random.default_rng(spec.split_seed)
    _check_given(labels, spec, keys)
    order = _stratified(labels["train"], rng)
    has_test = "test" in labels
    n_test = 0 if has_test else max(1, round(spec.test * len(order)))
    own = len(labels["validation"]) if "validation" in labels else None
    left = len(order) - n_test
    n_train, n_val = _sizes(left, own, spec)
    _check_sizes(n_train, n_val, left, own, spec, n_classes)
    sizes = {"test": n_test} if n_test else {}
    sizes |= _folds(n_val, n_train, spec) if own is None else {"train": n_train}
    rest = len(order) - sum(sizes.values())
    chosen = _chosen(order, labels["train"], {**sizes, "unused": rest} if rest else sizes, spec, keys, rng)
    names = [f"fold {number}" for number in range(1, spec.folds or 1)]
    train = "train", np.concatenate([*(chosen[name] for name in names), chosen["train"]])
    if own is not None:
        validation = "validation", _stratified(labels["validation"], rng)[:n_val]
    else:
        validation = "train", chosen["validation"]
    test = ("test", np.arange(len(labels["test"]))) if has_test else ("train", chosen["test"])
    parts = {"train": train, "validation": validation, "test": test}
    folds = (len(validation[1]), *(len(chosen[name]) for name in names)) if spec.folds else ()
    return Division(parts, folds, _words(parts, spec, keys))


# -- inside -----------------------------------------------------------------------------------------------------------


def _sizes(left: int, own: int | None, spec: DataSpec) -> tuple[int, int]:
    """How many images train and validate, of those ``left`` outside the test set and the ``own`` ones to validate."""
    if spec.folds:
        n_val = left // spec.folds
        return left - n_val, n_val
    n_train = spec.train or (left if own is not None else round(TRAIN_SHARE * left))
    return n_train, spec.validation or (left - n_train if own is None else own)


def _folds(n_val: int, n_train: int, spec: DataSpec) -> dict[str, int]:
    """The sizes of the sets besides the test set: with folds, those of the folds, and what no fold has.

    Folds of equal size leave images that always train; folds of whole groups differ in size and leave none.
    """
    if not spec.folds:
        return {"train": n_train, "validation": n_val}
    others = {f"fold {number}": n_val for number in range(1, spec.folds)}
    rest = n_train - (spec.folds - 1) * n_val
    if spec.group is not None:
        return {**others, "train": 0, "validation": n_val + rest}
    return {**others, "train": rest, "validation": n_val}


def _chosen(
    order: Indices,
    y_N: Labels,
    sizes: Mapping[str, int],
    spec: DataSpec,
    keys: Keys | None,
    rng: np.random.Generator,
) -> dict[str, Indices]:
    """The images of each set, in a random order in which every class is spread evenly."""
    filled = {name: size for name, size in sizes.items() if size}
    if spec.group is not None and keys:
        found = group_split.by_group(keys["train"], y_N, filled, rng)
    elif spec.time is not None and keys:
        earliest_first = {name: filled[name] for name in EARLIEST_FIRST if name in filled}
        found = group_split.by_time(keys["train"], earliest_first)
    else:
        ends = np.cumsum(list(filled.values()))
        found = dict(zip(filled, np.split(order, ends[:-1]), strict=True))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    mixed = {name: index[np.argsort(place[index], kind="stable")] for name, index in found.items()}
    return {name: mixed.get(name, np.empty(0, dtype=np.int64)) for name in sizes}


def _check_given(labels: Mapping[str, Labels], spec: DataSpec, keys: Keys | None) -> None:
    """Raises UserError if sets that the data bring tear a group, or leave nothing to order or to rotate."""
    if spec.group is not None and keys:
        group_split.check_whole(keys)
    for name, value in (("time", spec.time), ("folds", spec.folds)):
        if value is not None and "validation" in labels:
            raise UserError(
                "the data bring a validation set of their own, so nothing is left to split",
                hint=f"remove data.{name}, or put the validation images among those that train",
                key=f"data.{name}",
            )


def _check_sizes(n_train: int, n_val: int, n: int, own: int | None, spec: DataSpec, n_classes: int) -> None:
    """Raises UserError for impossible sizes. ``n`` images are left outside the test set, besides the ``own`` ones that
    the data bring for validation."""
    if n_train > n or (own is None and n_train == n):
        raise UserError(
            f"data.train is {n_train}, but {n} labelled images are left outside the test set, and some must validate",
            key="data.train" if spec.train else "data.path",
        )
    most = n - n_train if own is None else own
    if n_val > most:
        raise UserError(f"data.validation is {n_val}, but only {most} images are left for it", key="data.validation")
    if n_train < n_classes:
        raise UserError(f"{n_train} training images are fewer than {n_classes} classes", key="data.train")


def _stratified(y_N: Labels, rng: np.random.Generator) -> Indices:
    """A random order of the images, each prefix of which holds every class in its share, up to one image."""
    rank_N = np.empty(len(y_N))
    for label in np.unique(y_N):
        members = rng.permutation(np.flatnonzero(y_N == label))
        rank_N[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(rank_N, kind="stable")


def _words(parts: Mapping[str, tuple[str, Indices]], spec: DataSpec, keys: Keys | None) -> str:
    """How groups or times were divided; empty without them."""
    if not keys:
        return ""
    held = {name: [keys[origin][i] for i in index_N] for name, (origin, index_N) in parts.items()}
    if spec.group is not None:
        counts = ", ".join(f"{len(set(groups))} {name}" for name, groups in held.items())
        is_idle = all(len(set(groups)) == len(groups) for groups in held.values())
        return f"whole groups: {counts}{IDLE if is_idle else ''}"
    spans = []
    for name, times in held.items():
        order, _ = group_split.in_order(times)
        spans.append(f"{name} {times[order[0]]} to {times[order[-1]]}")
    return f"in the order of time: {', '.join(spans)}"
