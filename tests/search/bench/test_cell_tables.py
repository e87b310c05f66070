"""What ``bench`` prints fits into 80 columns, however long the name of a sampler is."""

import dataclasses

import pytest

from search.bench.cell_tables import cell_lines
from search.bench.cells import Cell, finite
from search.bench.score import NO_INTERVAL
from tests.search.bench.searcher_names import SEARCHERS

WIDTH = 80


def cell(sampler):
    """A cell with the widest figures: all negative, all two digits before the point where there may be two."""
    values = {field.name: 0 for field in dataclasses.fields(Cell)}
    wide = {"score": -0.264, "score_interval": (-0.364, -0.164), "versus": (-0.417, -0.658, -0.246)}
    return Cell(**{**values, "sampler": sampler, "trainings": 1024, "searches": 20, "by_report": {}, **wide})


@pytest.mark.parametrize("sampler", SEARCHERS)
def test_tables_fit_and_hold_the_whole_name(sampler):
    lines = cell_lines([cell("auto"), cell(sampler)], "points")
    starts = [i for i, line in enumerate(lines) if line.startswith("sampler ")]
    assert len(starts) == 3
    for start in starts:
        table = lines[start : lines.index("", start)][:-1]  # what follows each table says what its columns mean
        assert max(map(len, table)) <= WIDTH
        figures = table[0].index("N")
        names = [line[: figures - 4].strip() if len(line) > figures else line for line in table[2:]]
        assert "".join(names) == sampler


def test_figures_stand_beside_the_first_part_of_a_name():
    lines = cell_lines([cell("auto"), cell("knowledge_gradient+curve+short+shared")], "S")
    assert lines[2].startswith("knowledge_gradient 1024       20 -0.264 [-0.364, -0.164] -0.417 [-0.658, -0.246]")
    assert lines[3:5] == ["+curve+short", "+shared"]


def test_what_has_no_interval_says_so():
    none = dataclasses.replace(
        cell("tpe"), searches=1, score=0.538, score_interval=NO_INTERVAL, versus=(0.1, *NO_INTERVAL)
    )
    lines = cell_lines([none], "S")
    assert lines[1].split() == ["tpe", "1024", "1", "0.538", "[none]", "+0.100", "[none]"]
    assert "[none]: one search has no interval." in lines[2]
    assert "[none]" not in "".join(cell_lines([cell("tpe")], "S"))


def test_an_interval_that_is_none_is_null_in_json():
    assert finite(NO_INTERVAL) is None
    assert finite((0.1, *NO_INTERVAL)) == [0.1, None, None]
    assert finite((0.1, 0.2)) == [0.1, 0.2]
