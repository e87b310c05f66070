"""A placement as a small drawing: the units of the network in a row, stage by stage, and SE where it goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from search.report.heat_map import LETTERS, WORDS, HeatCell, cell_of
from spaces.architecture import Architecture
from spaces.spec import Site
from spaces.text import plural


@dataclass(frozen=True)
class DrawnStage:
    """Its name, empty where stages are not known, and its units: (name, what stands there)."""

    name: str
    units: tuple[tuple[str, HeatCell], ...]


@dataclass(frozen=True)
class NetworkDrawing:
    """``words`` say what is drawn; ``key`` explains the letters in it."""

    words: str
    stages: tuple[DrawnStage, ...]
    key: tuple[tuple[str, str], ...]


def network_drawing(architecture: Architecture, sites: Sequence[Site]) -> NetworkDrawing:
    """The drawing of an architecture. Older ledgers and some tables know no sites: then it has one row of units."""
    cells = [cell_of(se) for se in architecture.blocks]
    names = [(f"stage {site.stage}", site.name) for site in sites]
    if len(names) != len(cells):
        names = [("", str(i)) for i in range(1, len(cells) + 1)]
    placed = [(stage, (name, cell)) for (stage, name), cell in zip(names, cells, strict=True)]
    stages = [
        DrawnStage(stage, tuple(unit for _, unit in units)) for stage, units in groupby(placed, key=lambda one: one[0])
    ]
    used = dict.fromkeys(cell.position for cell in cells if cell.text)
    key = tuple((LETTERS.get(position, ""), WORDS.get(position, position)) for position in used)
    return NetworkDrawing(_words(architecture.backbone, names, cells), tuple(stages), key)


def _words(backbone: str, names: Sequence[tuple[str, str]], cells: Sequence[HeatCell]) -> str:
    found = [f"{name}: {cell.text}" for (_, name), cell in zip(names, cells, strict=True) if cell.text]
    if not found:
        return f"{backbone}: {plural(len(cells), 'unit')}, none with SE"
    return f"{backbone}: {len(found)} of {plural(len(cells), 'unit')} with SE ({'; '.join(found)})"
