"""A listing of images that come as rows: an image, the name of its class, and the set to which it belongs."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from senet_nas.data.folder_classes import SETS
from senet_nas.data.folder_walk import shown
from senet_nas.data.keys import wanted
from senet_nas.data.pictures import NAMED_FAULTS, Entry, Files, Listing, Stored, all_grey
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from spaces.text import plural

# The sets of a listing, in their order, by every word that people write for them.
PARTS = {
    word: "validation" if name == "val" else name for name, words in SETS.items() for word in (*words, name.upper())
}


@dataclass(frozen=True)
class Row:
    """One image: where it is read, the name of its class, and its set (train, validation, test).

    ``key``: its group or time, if a column holds it; a row without one has an empty text.
    """

    entry: Entry
    label: str
    part: str = "train"
    key: str | None = None


def listing(
    rows: Sequence[Row],
    spec: DataSpec,
    *,
    where: str,
    classes: Sequence[str] = (),
    notes: Sequence[str] = (),
    side: int | None = None,
) -> Listing:
    """The listing of rows, in their order. ``where`` names the source in errors.

    ``classes`` gives the order of the classes if the source has one; otherwise numbers are sorted as numbers and all
    else as text. Raises UserError for fewer than two classes and for rows without a training set.
    """
    names = [*classes] or ordered({row.label for row in rows})
    if len(names) < 2:
        raise UserError(
            f"{where} holds {len(names)} {'class' if len(names) == 1 else 'classes'}; a comparison needs at least 2",
            hint="give every class a label of its own",
            key="data.path",
        )
    number = {name: label for label, name in enumerate(names)}
    _check_keys(rows, spec, where)
    files: dict[str, Files] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for part in dict.fromkeys(PARTS.values()):
        own = [row for row in rows if row.part == part]
        if own:
            files[part] = [(row.entry, number[row.label]) for row in own]
            keys[part] = tuple(row.key for row in own if row.key)
    if "train" not in files:
        raise UserError(
            f"{where} holds {' and '.join(files)}, but no train", hint="add training images", key="data.path"
        )
    grey = spec.color == "grey" or (spec.color == "auto" and all_grey(files["train"]))
    held = keys if all(keys.values()) else {}
    return Listing(files, tuple(names), grey, tuple(notes), side or _common_side(files["train"]), held)


def _check_keys(rows: Sequence[Row], spec: DataSpec, where: str) -> None:
    """Raises UserError if a column holds groups or times, and a row has none."""
    name, column = wanted(spec)
    if not name or all(row.key is None for row in rows):
        return
    bad = [(str(row.entry), f"no `{column}`") for row in rows if not row.key]
    refuse(bad, len(rows), where, hint=f"fill the column `{column}`", key=f"data.{name}")


def _common_side(files: Files) -> int | None:
    """The side of all images, if they were seen to be squares of one size."""
    sizes = {entry.seen.size if isinstance(entry, Stored) and entry.seen else None for entry, _ in files}
    size = sizes.pop() if len(sizes) == 1 else None
    return size[0] if size and size[0] == size[1] else None


def ordered(labels: set[str]) -> list[str]:
    """Names of classes in the order of their numbers, if all of them are whole numbers; otherwise sorted as text."""
    if all(label.removeprefix("-").isdecimal() for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)


def composed(label: str) -> str:
    """A name of a class in Unicode's composed form (NFC), without blanks around it: macOS writes it decomposed."""
    return unicodedata.normalize("NFC", label.strip())


def refuse(bad: Sequence[tuple[str, str]], total: int, where: str, *, hint: str, key: str = "data.path") -> None:
    """Raises UserError if there are ``bad`` rows, each with its reason. It names the first rows, and a reason once."""
    if not bad:
        return
    more = f" and {len(bad) - NAMED_FAULTS} more" if len(bad) > NAMED_FAULTS else ""
    named = bad[:NAMED_FAULTS]
    reasons = dict.fromkeys(reason for _, reason in named)
    faults = [f"{', '.join(row for row, why in named if why == reason)} ({reason})" for reason in reasons]
    raise UserError(
        f"{len(bad)} of {plural(total, 'row')} of {where} cannot be used: "
        f"{'; '.join(shown(text) for text in faults)}{more}",
        hint=hint,
        key=key,
    )
