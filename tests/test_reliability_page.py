"""The page on reliability names a test for each fault that users met, and each of these tests exists."""

import re
from pathlib import Path

import pytest

from tests.mends import MENDS
from tests.undone import without

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"
ROW = re.compile(r"^\| (\d+) \| .*$", re.MULTILINE)
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
ROWS = {int(match[1]): NAMED.findall(match[0]) for match in ROW.finditer(PAGE.read_text())}


def test_every_fault_has_a_row():
    assert list(ROWS) == [*range(1, 25), 32, *range(33, 43)]


@pytest.mark.parametrize("number", ROWS)
def test_the_tests_of_a_fault_exist(number):
    assert ROWS[number]
    for file, name in ROWS[number]:
        (path,) = TESTS.rglob(file)
        assert f"def {name}(" in path.read_text()


@pytest.mark.parametrize("number", ROWS)
def test_each_test_of_a_fault_is_tried_without_the_mend(number):
    """`python -m tests.undone` does it; here the code must still be the one that it takes back."""
    mends = [mend for mend in MENDS if mend.fault == number]
    assert {"::".join(test) for test in ROWS[number]} == {test for mend in mends for test in mend.tests}
    for mend in mends:
        for path, text in without(mend, TESTS.parent).items():
            if path.suffix == ".py":
                compile(text, path, "exec")


def test_every_test_file_that_the_page_names_exists():
    for name in re.findall(r"\b(test_\w+\.py)\b", PAGE.read_text()):
        assert len(list(TESTS.rglob(name))) == 1, name
