"""The split into train, validation and test: fixed by a seed, with each class in the same share of every set."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from senet_nas.recipe import DataSpec
from spaces.errors import UserError

# Share of the labelled images outside the test set that train, unless the config says how many.
TRAIN_SHARE = 0.8

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]


def split(labels: Mapping[str, Labels], spec: DataSpec, n_classes: int) -> dict[str, tuple[str, Indices]]:
    """For train, validation and test, in this order: the set of the data that its images come from, and their indices.

    ``labels`` are those of the sets that the data bring: ``train``, and ``validation`` and ``test`` if they are there.
    The split follows from ``spec.split_seed`` alone, and every set holds the classes in the same shares. Raises
    UserError where the data are too few for the sizes that the spec asks for.
    """
    rng = np.random.default_rng(spec.split_seed)
    order = _stratified(labels["train"], rng)
    if "test" in labels:
        test = "test", np.arange(len(labels["test"]))
    else:
        n_test = max(1, round(spec.test * len(order)))
        test = "train", order[:n_test]
        order = order[n_test:]
    own = len(labels["validation"]) if "validation" in labels else None
    n_train = spec.train or (len(order) if own is not None else round(TRAIN_SHARE * len(order)))
    n_val = spec.validation or (len(order) - n_train if own is None else own)
    _check_sizes(n_train, n_val, len(order), own, spec, n_classes)
    if own is not None:
        validation = "validation", _stratified(labels["validation"], rng)[:n_val]
    else:
        validation = "train", order[n_train : n_train + n_val]
    return {"train": ("train", order[:n_train]), "validation": validation, "test": test}


# -- inside -----------------------------------------------------------------------------------------------------------


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
