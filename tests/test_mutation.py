"""The deliberate faults themselves: each changes the program, and the list of them is whole."""

import ast
import json

import pytest

from tests.mutation import faults
from tests.mutation.__main__ import PACKAGES
from tests.mutation.faults import ROOT, faults_of, sample, with_fault
from tests.mutation.record import EQUIVALENT, FAULTS, SURVIVORS, page

ENOUGH = 0.95

CODE = '''
"""Text with a number: 7."""
LIMIT = 3
def chosen(values: list[int], least: int = 1) -> list[int]:
    """Those above ``least``."""
    if not values:
        raise ValueError(f"{LIMIT - 1} values")
    return sorted(value for value in values[:LIMIT] if value > least)
'''


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "ROOT", tmp_path)
    (tmp_path / "small.py").write_text(CODE)
    return faults_of("small.py")


def test_texts_and_types_have_no_faults(small):
    assert {(fault.function, fault.before, fault.after) for fault in small} == {
        ("<module>", "3", "4"),
        ("<chosen>", "1", "2"),
        ("chosen", "if not values", "if not not values"),
        ("chosen", "not values", "values"),
        ("chosen", "raise ValueError(f'{LIMIT - 1} values')", "pass"),
        ("chosen", "return sorted((value for value in values[:LIMIT] if value > least))", "return None"),
        (
            "chosen",
            "sorted((value for value in values[:LIMIT] if value > least))",
            "list((value for value in values[:LIMIT] if value > least))",
        ),
        ("chosen", "for value in values[:LIMIT] if value > least", "for value in values[:LIMIT]"),
        ("chosen", ":LIMIT", ":LIMIT + 1"),
        ("chosen", "value > least", "value >= least"),
        ("chosen", "value > least", "value <= least"),
    }


def test_every_fault_is_another_program(small):
    programs = {ast.dump(with_fault(fault)) for fault in small}
    assert len(programs) == len({fault.name for fault in small}) == len(small)
    assert ast.dump(ast.parse(CODE)) not in programs


def test_a_sample_is_fixed_and_takes_from_every_function_first(small):
    assert sample(small, 3, 0) == sample(small, 3, 0)
    assert {fault.function for fault in sample(small, 3, 0)} == {"<module>", "<chosen>", "chosen"}
    assert sorted(sample(small, 99, 0), key=str) == sorted(small, key=str)


def test_the_list_holds_every_package_and_the_page_says_the_same():
    kept = json.loads(FAULTS.read_text())
    assert kept.keys() == PACKAGES.keys()
    assert SURVIVORS.read_text() == page(kept)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_listed_fault_is_in_a_function_that_exists(package):
    """A fault of a function that has gone says nothing about the tests: drop it from the list."""
    listed = {tuple(row["fault"].split(":")[0].split(" ", 1)) for row in json.loads(FAULTS.read_text())[package]}
    files = {file for file, _ in listed if (ROOT / file).is_file()}
    assert listed - {(file, fault.function) for file in files for fault in faults_of(file)} == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_nearly_all_faults_are_noticed(package):
    rows = [row for row in json.loads(FAULTS.read_text())[package] if "equivalent" not in row]
    assert sum("noticed" in row for row in rows) >= ENOUGH * len(rows)
    assert len(rows) >= 50


def test_what_is_called_equivalent_has_a_reason_and_a_file():
    for name, reason in json.loads(EQUIVALENT.read_text()).items():
        assert (ROOT / name.split()[0]).is_file()
        assert len(reason.split()) > 3
