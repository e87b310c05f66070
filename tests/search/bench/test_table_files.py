"""What stands beside the tables is refused with what it is: a working file had been told to write a description."""

import gzip
import json

import pytest

from search.bench.problems import named
from spaces import UserError
from tests.search.bench.small_tables import rows, write


def refused(path):
    with pytest.raises(UserError) as caught:
        named(str(path))(0)
    assert str(path) in caught.value.message
    return caught.value


def test_the_working_file_of_an_unfinished_table_says_how_to_continue_it(tmp_path):
    line = {"architecture": "net/-", "seed": "0.0", "seconds": 1.0, "curve": []}
    kept, working = tmp_path / "mine.jsonl.gz", tmp_path / "mine.jsonl"
    kept.write_bytes(gzip.compress((json.dumps(line) + "\n").encode()))
    working.write_text(json.dumps(line) + "\n")
    for path in (kept, working):
        error = refused(path)
        assert "is the working file of an unfinished table, which bench cannot read" in error.message
        assert "`python -m benchmarks.make_table mine --data DIR --to WORK`" in error.hint
        assert "mine.csv.gz" in error.hint


@pytest.mark.parametrize("text", ['{"some": "thing"}\n', "[1, 2]\n", "words\n"])
@pytest.mark.parametrize("name", ["mine.jsonl", "mine.jsonl.gz", "mine.txt"])
def test_of_another_file_the_kind_that_is_wanted_is_told(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    error = refused(path)
    assert f"must name the columns architecture, seed, val_accuracy; it is `{text.strip()}`" in error.message
    assert "a table is a CSV file (.csv or .csv.gz)" in error.hint
    assert "make_table" not in error.hint


def test_what_is_not_compressed_is_told(tmp_path):
    path = tmp_path / "mine.jsonl.gz"
    path.write_text("not compressed")
    assert "cannot read the table" in refused(path).message


def test_the_description_of_a_table_names_the_table(tmp_path):
    table = write(tmp_path, rows())
    error = refused(table.with_name("small.csv.json"))
    assert "is the description of a table" in error.message
    assert error.hint == f"give bench {table}"


def test_figures_of_shared_networks_name_the_table_if_it_is_there(tmp_path):
    figures = tmp_path / "small.shared.csv"
    figures.write_text("architecture,seed,val_accuracy\nsynthetic/-/-/-,0,50\n")
    figures.with_name("small.shared.csv.json").write_text('{"cost_in_trainings": 5.4}')
    assert refused(figures).hint == "bench needs the table small.csv.gz"
    table = write(tmp_path, rows())
    error = refused(figures)
    assert "holds figures of shared networks, not trainings" in error.message
    assert str(table) in error.hint


def test_a_table_may_have_any_name(tmp_path):
    table = write(tmp_path, rows())
    for name in ("small.shared.csv", "small.jsonl", "small.txt"):
        path = table.rename(tmp_path / name)
        table.with_name(f"{name}.json").write_bytes((tmp_path / "small.csv.json").read_bytes())
        assert named(str(path))(0).space.size == len({row["architecture"] for row in rows()})
        path.rename(table)
