"""Checks of the section ``data`` that types cannot express: keys that must agree with each other and the source."""

from collections.abc import Iterator, Mapping
from typing import Any

from search.config.config_error import Fault
from senet_nas.data import hugging_face
from senet_nas.data.datasets import DATASETS, NONE, known

FOLDER = "image_folder"


def columns(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """A folder needs a path, and only a table has columns."""
    data = tree["data"]
    name = data.get("dataset", FOLDER)
    if name == FOLDER and data.get("path") is None:
        hint = "write `data: ./images`, or `data: digits` to try it"
        yield Fault(("data", "path"), "missing; an image folder needs a path", hint, at_key=True)
    row = known(name) if isinstance(name, str) else None
    if row is not None and not row.has_columns:
        for key in ("image", "label"):
            if data.get(key) is not None:
                tables = ", ".join(table for table, row in DATASETS.items() if row.has_columns)
                yield Fault(("data", key), f"{name} has no columns", f"remove it; it applies to: {tables}", at_key=True)


def unread_path(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """A set that its name finds has no path. Earlier versions ignored one."""
    data = tree["data"]
    name = data.get("dataset", FOLDER)
    row = known(name) if isinstance(name, str) else None
    if row is not None and row.ignores_path and data.get("path") is not None:
        yield Fault(("data", "path"), f"{name} has no path", _without_path(name, data["path"]), at_key=True)


def _without_path(name: str, path: Any) -> str:
    """What to write instead of a path that a source ignores."""
    takers = ", ".join(table for table, row in DATASETS.items() if not row.ignores_path)
    own = f"; a saved set of Hugging Face is `data: hf:{path}`" if name.startswith(hugging_face.PREFIX) else ""
    return f"remove it{own}; it applies to: {takers}"


def divided(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """Groups, times and folds: for images that come from files or rows, and not together where they contradict."""
    data = tree["data"]
    name = data.get("dataset", FOLDER)
    row = known(name) if isinstance(name, str) else None
    for key in ("group", "time"):
        if data.get(key) is not None and row is not None and row.listed is None and not row.has_keys:
            yield Fault(("data", key), f"{name} has neither columns nor paths", "remove it", at_key=True)
    if data.get("time") is not None:
        for key in ("group", "folds"):
            if data.get(key) is not None:
                what = "a group may span two sets" if key == "group" else "a fold may be older than those that train"
                yield Fault(("data", key), f"{key} and time exclude each other: {what}", "remove one", at_key=True)
    if data.get("folds") is None:
        return
    if tree.get("evaluate", "train") != "train":
        yield Fault(("data", "folds"), "works only with `evaluate: train`", "remove it", at_key=True)
    for key in ("train", "validation"):
        if data.get(key) is not None:
            why = "with folds every image outside the test set trains and validates"
            yield Fault(("data", key), why, f"remove data.{key}, or data.folds", at_key=True)


def described(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """Inputs that are only described are for a function that reads its own data; other data describe themselves."""
    data = tree["data"]
    if data.get("dataset", FOLDER) != NONE:
        for key in ("channels", "classes"):
            if data.get(key) is not None:
                yield Fault(("data", key), f"applies only to `dataset: {NONE}`", "remove it", at_key=True)
        return
    if data.get("color", "auto") != "auto":
        yield Fault(("data", "color"), f"`{NONE}` holds no images", "remove it, or set data.channels", at_key=True)
    if tree.get("evaluate", "train") == "train":
        hint = "write `evaluate: python:package.module:function`, or name data"
        yield Fault(("data", "dataset"), f"`{NONE}` has no images to train on", hint)
    for key, example in (("channels", 3), ("image_size", 64), ("classes", 2)):
        if data.get(key) is None:
            yield Fault(
                ("data", key), "missing; the networks are built for it", f"write `{key}: {example}`", at_key=True
            )


def resize(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """``resize`` needs the size of the crop, which must not be larger."""
    data = tree["data"]
    resized = data.get("resize")
    cropped = data.get("image_size")
    if not isinstance(resized, int):
        return
    if cropped is None:
        hint = f"write for example `image_size: {round(resized * 7 / 8)}`"
        yield Fault(("data", "image_size"), "missing; resize needs it", hint, at_key=True)
    elif isinstance(cropped, int) and cropped > resized:
        yield Fault(("data", "resize"), f"must be at least image_size, which is {cropped}; got {resized}")
