"""Which image trains, validates and tests: fixed by a seed, classes in the same shares in each set."""

from collections.abc import Mapping

import numpy as np

from senet_nas.recipe import DataSpec
from spaces.errors import UserError

TRAIN_SHARE = 0.8


def split(labels: Mapping[str, np.ndarray], spec: DataSpec, n_classes: int) -> dict[str, tuple[str, np.ndarray]]:
    """For train, validation and test: which set of the data, and which of its images; fixed by ``split_seed``.

    ``labels`` of the sets that the data bring. Classes are in the same shares in each. Raises UserError.
    """
    rng = np.random.default_rng(spec.split_seed)
    order = _stratified(labels["train"], rng)
    if "test" in labels:
        test = "test", np.arange(len(labels["test"]))
    else:
        n_test = max(1, round(spec.test * len(order)))
        test, order = ("train", order[:n_test]), order[n_test:]
    own = len(labels["validation"]) if "validation" in labels else None
    n_train = spec.train or (len(order) if own is not None else round(TRAIN_SHARE * len(order)))
    n_val = spec.validation or (len(order) - n_train if own is None else own)
    _check_sizes(n_train, n_val, len(order), own, spec, n_classes)
    if own is not None:
        validation = "validation", _stratified(labels["validation"], rng)[:n_val]
    else:
        validation = "train", order[n_train : n_train + n_val]
    return {"train": ("train", order[:n_train]), "validation": validation, "test": test}


# -- inside -------------------------------------------------------------------------------------------------------------


def _check_sizes(n_train: int, n_val: int, n: int, own: int | None, spec: DataSpec, n_classes: int) -> None:
    """``n`` images train or validate, besides ``own`` that the data bring for validation."""
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


def _stratified(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of which every prefix holds the classes in their shares, up to one image each."""
    rank = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(rank, kind="stable")
