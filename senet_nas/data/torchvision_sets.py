"""Every set of torchvision for image classification, by the name of its class: found in torchvision, with its splits.

Names are read from the text of ``torchvision/datasets/__init__.py``, so that they can be checked without torch.
"""

import ast
import functools
import importlib.util
import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from senet_nas.data import map_style
from senet_nas.data.data_path import place
from senet_nas.data.pictures import Listing
from senet_nas.data.rows import PARTS, Row, listing, ordered
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

FORM = r"(?:torchvision:)?[A-Z]\w*"
PREFIX = "torchvision:"
KEY = "data.path"
# Where torchvision keeps its files unless ``data.path`` says otherwise.
ROOT = "data"
# Classes of torchvision whose items are no images with one class each: base classes, other tasks, and pairs.
OTHER_TASKS = {
    "CREStereo",
    "CarlaStereo",
    "CelebA",
    "Cityscapes",
    "CocoCaptions",
    "CocoDetection",
    "DatasetFolder",
    "ETH3DStereo",
    "FakeData",
    "FallingThingsStereo",
    "Flickr30k",
    "Flickr8k",
    "FlyingChairs",
    "FlyingThings3D",
    "HD1K",
    "HMDB51",
    "ImageFolder",
    "InStereo2k",
    "Kinetics",
    "Kitti",
    "Kitti2012Stereo",
    "Kitti2015Stereo",
    "KittiFlow",
    "LFWPairs",
    "LSUN",
    "LSUNClass",
    "Middlebury2014Stereo",
    "MovingMNIST",
    "PhotoTour",
    "SBDataset",
    "SBU",
    "SceneFlowStereo",
    "Sintel",
    "SintelStereo",
    "UCF101",
    "VOCDetection",
    "VOCSegmentation",
    "VisionDataset",
    "WIDERFace",
}
# Letters, digits and signs: mirrored ones mean something else.
UNMIRRORED = frozenset(
    ("EMNIST", "GTSRB", "KMNIST", "MNIST", "Omniglot", "QMNIST", "RenderedSST2", "SEMEION", "SVHN", "USPS")
)
# Arguments without a usual default: the form of EMNIST in which all classes are equally frequent.
GIVEN: Mapping[str, Mapping[str, Any]] = {"EMNIST": {"split": "balanced"}}
# Sets without labels, whose files need not be there.
UNLABELLED = {("Places365", "test")}
# What a set is called if it is not called train.
ALSO_TRAIN = ("trainval", "train-standard")
Arguments = Mapping[str, Any]


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all sets for image classification that the installed torchvision has, sorted; imports no torch."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return ()
    tree = ast.parse((Path(found.origin).parent / "datasets" / "__init__.py").read_text())
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    ]
    every = {name for group in exported for name in group if name[0].isupper()}
    return tuple(sorted(every - OTHER_TASKS))


def listed(spec: DataSpec, base: Path) -> Listing:
    """The images of a set, in its order, in the sets that it brings. Raises UserError; it says how to fetch files."""
    name = spec.dataset.removeprefix(PREFIX)
    rows, classes, notes = read(name, place(spec.path or ROOT, base))
    return listing(rows, spec, where=name, classes=classes, notes=notes)


def sets(name: str, make: Any) -> dict[str, Arguments]:
    """The arguments with which a class makes each of its sets (train, validation, test); only train if it has one."""
    given = GIVEN.get(name, {})
    accepted = _accepted(make)
    if "split" in accepted and "split" not in given:
        words = _splits(make)
        labelled = [word for word in words if word in PARTS and (name, word) not in UNLABELLED]
        found: dict[str, Arguments] = {PARTS[word]: {"split": word} for word in labelled}
        others = [word for word in ALSO_TRAIN if word in words]
        if "train" not in found and others:
            found["train"] = {"split": others[0]}
        return found or {"train": {}}
    if "train" in accepted:
        return {"train": {**given, "train": True}, "test": {**given, "train": False}}
    return {"train": given}


@functools.lru_cache(maxsize=1)
def read(name: str, root: Path) -> tuple[list[Row], list[str], tuple[str, ...]]:
    """Rows, classes and notes. Kept, because a listing is asked for several times."""
    import torchvision.datasets

    make = getattr(torchvision.datasets, name)
    arguments = sets(name, make)
    # Images that lie in files are read by our own routine, like those of a folder. A few sets fetch unless told not to.
    usual = {"loader": Path, "download": False}
    always = {key: value for key, value in usual.items() if key in _accepted(make)}
    made: dict[str, Any] = {}
    for part, more in arguments.items():
        try:
            made[part] = make(root, **more, **always)
        except Exception as error:  # a damaged archive fails in as many ways as there are formats
            raise _unreadable(name, root, arguments, error, make) from error
    unlabelled = [part for part, found in made.items() if part != "train" and _is_unlabelled(found)]
    notes = [f"the {part} set of {name} has no labels: it is not read" for part in unlabelled]
    notes += [f"of {name}, the form {word} is read" for word in GIVEN.get(name, {}).values()]
    made = {part: found for part, found in made.items() if part not in unlabelled}
    classes = map_style.class_names(made["train"])
    spec = DataSpec()
    rows = [row for part, found in made.items() for row in map_style.rows(found, part, classes, spec, name, key=KEY)]
    used = {row.label for row in rows}
    return rows, classes if used <= {*classes} else ordered(used), tuple(notes)


# -- inside -----------------------------------------------------------------------------------------------------------


def _is_unlabelled(found: Any) -> bool:
    try:
        return len(found) > 0 and found[0][1] is None
    except Exception:  # reading all of it names what cannot be read
        return False


def _accepted(make: Any) -> set[str]:
    """The names of the arguments of a class, also of those that it passes on to the classes that it is derived from."""
    found: set[str] = set()
    for one in make.__mro__:
        parameters = inspect.signature(one.__init__).parameters if "__init__" in vars(one) else {}
        found |= {*parameters}
        if parameters and not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            break
    return found


def _splits(make: Any) -> Sequence[str]:
    """The words that a class accepts as ``split``: it names them when it is asked for another one."""
    try:
        make("", split="?")
    except ValueError as error:
        return re.findall(r"'([^']+)'", str(error).partition("Valid values are")[2])
    except Exception:  # it looks for its files first; the call that reads them says what is wrong
        return [str(inspect.signature(make).parameters["split"].default), "test"]
    return []


def _unreadable(name: str, root: Path, arguments: Mapping[str, Arguments], error: Exception, make: Any) -> UserError:
    if isinstance(error, ImportError) or "install" in str(error):
        return UserError(f"{name} cannot be read: {error}", hint="install what is missing", key="data.dataset")
    fetch = _fetch(name, root, arguments, make)
    missing = isinstance(error, FileNotFoundError) or re.search(r"not found|not present|download", str(error))
    if missing:
        return UserError(f"no {name} in {root}", hint=f"{fetch}, or set data.path to the folder that holds it", key=KEY)
    message = f"the {name} files in {root} are damaged ({type(error).__name__}: {error})"
    return UserError(message, hint=f"remove them and fetch them again: {fetch}", key=KEY)


def _fetch(name: str, root: Path, arguments: Mapping[str, Arguments], make: Any) -> str:
    """What to do to have the files of a set, as one command if torchvision can fetch them."""
    if "download" not in _accepted(make):
        return f"put its files there by hand (torchvision.datasets.{name} says which)"
    calls = "; ".join(
        f"{name}({str(root)!r}, {''.join(f'{key}={value!r}, ' for key, value in more.items())}download=True)"
        for more in arguments.values()
    )
    return f'fetch it with python -c "from torchvision.datasets import {name}; {calls}"'
