"""The columns of a shared network beside a table, as the search of a run would know them."""

import math

import pytest

from benchmarks.make_table import TABLES
from search.bench.problems import named
from search.bench.runner import bench
from search.bench.searches import search
from search.bench.shared_columns import columns_path, shared_columns
from search.planning.planner import Budget
from spaces import UserError

TABLE = TABLES / "fashion113.csv.gz"


def test_each_search_has_the_figures_of_one_network():
    first, second = shared_columns(TABLE, 0), shared_columns(TABLE, 1)
    assert first.columns == second.columns == ("val_accuracy", "train_loss", "val_log_loss")
    assert first.values.keys() == second.values.keys()
    assert len(first.values) == 113
    assert first != second
    assert shared_columns(TABLE, 3) == first
    assert all(math.isfinite(value) for row in first.values.values() for value in row)


def test_what_was_not_finite_is_not_known(tmp_path):
    (tmp_path / "t.shared.csv").write_text("architecture,seed,train_loss\nnet/-,0,nan\nnet/x,0,0.5\n")
    assert shared_columns(tmp_path / "t.csv", 7).values == {"net/-": (None,), "net/x": (0.5,)}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_the_file_stands_beside_the_table(tmp_path, name):
    assert columns_path(tmp_path / name) == tmp_path / "t.shared.csv"
    with pytest.raises(UserError, match="no shared network was trained for this table") as caught:
        shared_columns(tmp_path / name, 0)
    assert "benchmarks.shared_network t " in caught.value.hint


def test_a_file_without_rows_is_refused(tmp_path):
    (tmp_path / "t.shared.csv").write_text("architecture,seed,train_loss\n")
    with pytest.raises(UserError, match="holds 0 shared networks, with 1 column"):
        shared_columns(tmp_path / "t.csv", 0)


def test_a_search_over_a_table_has_its_figures_and_pays_for_them():
    budget = [Budget(24, stops_when_answered=False)]
    with_it = search(named(str(TABLE))(0), "thompson+shared", budget, 0)
    without = search(named(str(TABLE))(0), "thompson", budget, 0)
    assert without.trainings == 24
    assert with_it.trainings == 24 - 6  # 5.4 trainings, rounded up
    assert with_it.keys != without.keys
    assert "shared" in with_it.front.insights.to_dict()
    again = search(named(str(TABLE))(0), "thompson+curve+shared", budget, 0)
    assert again.trainings == 24 - 6


def test_a_synthetic_problem_has_no_shared_network():
    with pytest.raises(UserError, match="no shared network can be trained for a synthetic problem"):
        bench("synthetic:113:0.4", ["auto", "auto+shared"], [16], 1, 1)
