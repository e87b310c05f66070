"""Where the members of the front have SE: a row for each member, a column for each site of the network."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.results.result import Front
from spaces.architecture import SE, Architecture
from spaces.errors import UserError

LETTERS = {
    "pre_addition": "A",
    "post_addition": "P",
    "pre_unit": "U",
    "identity": "I",
    "mid": "M",
    "output": "O",
}


@dataclass(frozen=True)
class HeatCell:
    """One site of one member: its position, the letter for it, and the whole SE record; all empty without SE."""

    position: str = ""
    letter: str = ""
    text: str = ""


@dataclass(frozen=True)
class HeatMap:
    """``sites`` are (name, stage); ``rows`` are (id, cells); ``shares`` are percent of the members with SE at each site."""

    sites: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    shares: tuple[str, ...]
    letters: tuple[tuple[str, str], ...] = tuple((letter, position) for position, letter in LETTERS.items())


def heat_map(front: Front, sites: Sequence[tuple[str, int]]) -> HeatMap | None:
    """The map of a front's members, the cheapest first. ``sites`` are (name, stage).

    None where only plain is on the front, or where a table holds networks that are not built from these sites.
    """
    members = [point for point in front.members if not point.is_plain]
    try:
        found = {point.id: Architecture.parse(point.architecture).blocks for point in members}
    except UserError:
        return None
    if not members or any(len(units) != len(sites) for units in found.values()):
        return None
    rows = tuple((name, tuple(_cell(se) for se in units)) for name, units in found.items())
    counts = [sum(units[i] is not None for units in found.values()) for i in range(len(sites))]
    return HeatMap(tuple(sites), rows, tuple(f"{100 * count / len(members):.0f}" for count in counts))


def _cell(se: SE | None) -> HeatCell:
    if se is None:
        return HeatCell()
    return HeatCell(se.position, LETTERS.get(se.position, ""), str(se))
