"""Single images in the report: which classes a placement confuses less or more than plain, and what changes sides."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.report.wording import shortened
from search.results.result import Front
from search.state.changes_fact import ChangedImage, ChangesFact, Confusions
from search.state.facts import Facts
from spaces.text import plural

LETTERS = 14
SHORT = 4
# A change of a cell is drawn from this many images of a training on, and named in the sentence from the next on.
LEAST = 0.05
NAMED = 0.5


@dataclass(frozen=True)
class ConfusionCell:
    """How many images more or fewer a training puts there; ``css_class`` says whether that is good, ``share`` how much.

    ``share`` is the part of the largest change.
    """

    text: str
    title: str
    css_class: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class ConfusionTable:
    """A row for each class of the labels, a column for each predicted class."""

    lead: str
    caption: str
    note: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[ConfusionCell, ...]], ...]

    @property
    def has_long_names(self) -> bool:
        """Whether names are wider than the cells below them."""
        return any(len(name) > SHORT for name in self.names)


@dataclass(frozen=True)
class Gallery:
    """Images that change sides: ``groups`` hold a heading and (address of the picture, words below it)."""

    lead: str
    note: str
    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def confusion_table(front: Front, facts: Facts) -> ConfusionTable | None:
    """How the confusions of plain change; None if the run has not noted them."""
    noted = _noted(front, facts)
    if noted is None or noted.confusions is None or facts.data is None:
        return None
    found, id_ = noted.confusions, noted.placement
    names = [facts.data.classes[k] for k in found.classes]
    changes = [[b - a for a, b in zip(*rows, strict=True)] for rows in zip(found.before, found.after, strict=True)]
    largest = max(LEAST, *(abs(change) for row in changes for change in row))
    rows = tuple(
        (
            shortened(names[i], LETTERS),
            tuple(_cell(found, names, i, j, changes[i][j], largest) for j in range(len(names))),
        )
        for i in range(len(names))
    )
    left_out = f" of the {len(names)} classes that change most" if len(names) < len(facts.data.classes) else ""
    of = " and ".join(plural(count, "training") for count in found.trainings)
    return ConfusionTable(
        _confusion_lead(found, names, id_),
        f"Validation images{left_out} that a training of {id_} puts there, more or fewer than one of plain",
        f"Means over {of} that kept their weights, of plain and of {id_}. A row holds the images of a class, a column "
        "what they are taken for. Blue is better, orange worse.",
        tuple(shortened(name, LETTERS) for name in names),
        rows,
    )


def gallery(front: Front, facts: Facts) -> Gallery | None:
    """The images that most trainings of plain and of the placement see differently; None without pictures of them."""
    noted = _noted(front, facts)
    if noted is None or not noted.images or facts.data is None:
        return None
    classes = facts.data.classes
    sides = {
        f"Right with {noted.placement}, wrong in plain": [one for one in noted.images if one.after > one.before],
        f"Wrong with {noted.placement}, right in plain": [one for one in noted.images if one.after < one.before],
    }
    groups = tuple((head, tuple(_shown(one, classes) for one in ones)) for head, ones in sides.items() if ones)
    return Gallery(
        f"{noted.placement} gets {plural(noted.gained, 'image')} right that plain mostly gets wrong, and "
        f"{noted.lost or 'none'} wrong that plain mostly gets right.",
        "The clearest ones are shown, with the percentage of trainings that get them right: of plain, then of the "
        "placement. By luck alone "
        "images change sides, too, about as many in both directions.",
        groups,
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _noted(front: Front, facts: Facts) -> ChangesFact | None:
    """What was noted, as long as its placement is one of this front."""
    noted = facts.changes
    return noted if noted is not None and any(p.id == noted.placement for p in front.points) else None


def _cell(found: Confusions, names: Sequence[str], i: int, j: int, change: float, largest: float) -> ConfusionCell:
    before, after = found.before[i][j], found.after[i][j]
    title = f"{names[i]} taken for {names[j]}: plain {before:.1f}, then {after:.1f} images"
    if abs(change) < LEAST:
        return ConfusionCell("", title)
    is_good = (change > 0) == (i == j)
    return ConfusionCell(f"{change:+.1f}", title, "good" if is_good else "bad", round(abs(change) / largest, 2))


def _confusion_lead(found: Confusions, names: Sequence[str], id_: str) -> str:
    """The largest change between two classes in each direction, in words."""
    pairs = [(i, j) for i in range(len(names)) for j in range(len(names)) if i != j]
    change = {(i, j): found.after[i][j] - found.before[i][j] for i, j in pairs}
    ends = {"less": min(pairs, key=lambda pair: change[pair]), "more": max(pairs, key=lambda pair: change[pair])}
    said = []
    for word, (i, j) in ends.items():
        if abs(change[i, j]) >= NAMED and (change[i, j] < 0) == (word == "less"):
            counts = f"{found.before[i][j]:.1f} and then {found.after[i][j]:.1f} images a training"
            said.append(f"{names[i]} for {names[j]} {word} often ({counts})")
    if not said:
        return f"Between plain and {id_}, no two classes are confused more or less often by half an image a training."
    return f"Compared with plain, {id_} takes {', and '.join(said)}."


def _shown(one: ChangedImage, classes: Sequence[str]) -> tuple[str, str]:
    return one.picture, f"{shortened(classes[one.label], LETTERS)}: {100 * one.before:.0f} to {100 * one.after:.0f} %"
