"""Where the members of the front have SE: a row for each member, a column for each site of the network."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.results.result import Front
from search.state.records import Entry
from spaces.architecture import SE
from spaces.text import plural

LETTERS = {
    "pre_addition": "A",
    "post_addition": "P",
    "pre_unit": "U",
    "identity": "I",
    "mid": "M",
    "output": "O",
}
# Where in a unit each position lies, for people.
WORDS = {
    "pre_addition": "before the addition",
    "post_addition": "after the addition",
    "pre_unit": "before the unit",
    "identity": "on the shortcut",
    "mid": "inside the unit",
    "output": "at the output",
}


@dataclass(frozen=True)
class HeatCell:
    """One site of one member: its position, the letter for it, and the whole SE record; all empty without SE."""

    position: str = ""
    letter: str = ""
    text: str = ""


@dataclass(frozen=True)
class HeatMap:
    """``sites`` are (name, stage), ``rows`` are (id, cells).

    ``shares`` are the percentages of the members with SE at each site. ``lead`` says where SE is most often.
    """

    lead: str

    sites: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    shares: tuple[str, ...]
    letters: tuple[tuple[str, str], ...] = tuple((letter, WORDS[position]) for position, letter in LETTERS.items())


def heat_map(front: Front, entries: Sequence[Entry], sites: Sequence[tuple[str, int]]) -> HeatMap | None:
    """The map of a front's members, the cheapest first. ``sites`` are (name, stage), ``entries`` the run's.

    None if only plain is on the front, or if the sites are not those of the architectures, as with some tables.
    """
    members = [point for point in front.members if not point.is_plain]
    found = {point.id: entries[point.number].architecture.blocks for point in members}
    if not members or any(len(units) != len(sites) for units in found.values()):
        return None
    rows = tuple((name, tuple(cell_of(se) for se in units)) for name, units in found.items())
    counts = [sum(units[i] is not None for units in found.values()) for i in range(len(sites))]
    return HeatMap(
        _lead(sites, counts, len(members)),
        tuple(sites),
        rows,
        tuple(f"{100 * count / len(members):.0f}" for count in counts),
    )


def _lead(sites: Sequence[tuple[str, int]], counts: Sequence[int], members: int) -> str:
    most = max(range(len(counts)), key=lambda i: counts[i])
    name, stage = sites[most]
    return (
        f"Of {plural(members, 'member')} of the front with SE, {counts[most]} have it in unit {name} of stage {stage}."
    )


def cell_of(se: SE | None) -> HeatCell:
    """A unit as it is drawn."""
    if se is None:
        return HeatCell()
    return HeatCell(se.position, LETTERS.get(se.position, ""), str(se))
