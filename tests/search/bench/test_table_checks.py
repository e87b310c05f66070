"""A table with a gap is refused with the row named: it ended in an internal error, or in losses of 6.5e36."""

import math

import pytest

from search.bench.problems import named
from search.bench.runner import bench
from spaces import UserError
from tests.search.bench.small_tables import EPOCHS, members, rows, write

THIRD = members()[3].key


def place(told, epoch, seed="2.0", key=THIRD):
    """The index of the row of an epoch of one training."""
    return next(
        i for i, row in enumerate(told) if (row["architecture"], row["seed"], row["epoch"]) == (key, seed, epoch)
    )


def refused(folder, told):
    """The error for the table of these rows."""
    path = write(folder, told)
    with pytest.raises(UserError) as caught:
        named(str(path))(0)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_a_table_without_gaps_has_the_curves_that_it_tells(tmp_path):
    problem = named(str(write(tmp_path, rows())))(0)
    losses = [problem.losses(a, seed) for a in problem.space for seed in problem.seeds(a)]
    assert {len(curve) for curve in losses} == {EPOCHS}
    assert all(1 < loss < 3 for curve in losses for loss in curve)


@pytest.mark.parametrize("column", ["train_loss", None])
@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_a_missing_epoch_is_named_with_losses_or_without(tmp_path, column, epoch):
    told = rows()
    del told[place(told, epoch)]
    told = [{name: value for name, value in row.items() if name != column} for row in told]
    assert f"lacks epoch {epoch} of {THIRD} with seed 2.0" in refused(tmp_path, told)


def test_where_the_last_row_is_missing_from_which_costs_are_read_that_row_is_named(tmp_path):
    """It was said that the table lacks the columns."""
    told = rows()
    del told[place(told, EPOCHS, "0.0")]
    told = [row if row["epoch"] == EPOCHS else {**row, "params": ""} for row in told]
    path = write(tmp_path, told)
    with pytest.raises(UserError) as caught:
        named(str(path))(0)
    where = f"the last row of {THIRD} with seed 0.0, epoch {EPOCHS - 1}, has no params"
    assert where in caught.value.message
    assert caught.value.hint.endswith(f"or the rows after it: other trainings end at epoch {EPOCHS}")


def test_a_missing_epoch_of_plain_is_named(tmp_path):
    told = rows()
    del told[place(told, 3, "0.0", members()[0].key)]
    assert f"lacks epoch 3 of {members()[0].key} with seed 0.0" in refused(tmp_path, told)


def test_how_many_rows_are_missing_is_told(tmp_path):
    told = [row for row in rows() if row["epoch"] == 1 or (row["architecture"], row["seed"]) != (THIRD, "2.0")]
    assert f"lacks epoch 2 of {THIRD} with seed 2.0 and 1 other row" in refused(tmp_path, told)


def test_an_epoch_that_the_others_lack_is_named(tmp_path):
    told = rows()
    told.append({**told[place(told, 3)], "epoch": 4})
    assert f"holds epoch 4 of {THIRD} with seed 2.0, which most trainings lack" in refused(tmp_path, told)


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("", "is empty"),
        ("nan", "is nan, which is not a positive number"),
        ("inf", "is inf, which is not"),
        (0, "is 0, which is not"),
        (-1, "is -1, which is not"),
    ],
)
@pytest.mark.parametrize("key", [THIRD, members()[0].key])
def test_a_loss_that_is_none_is_named(tmp_path, loss, says, key):
    told = rows()
    told[place(told, 2, key=key)]["train_loss"] = loss
    assert f"column `train_loss`: it {says}" in (message := refused(tmp_path, told))
    assert f"in epoch 2 of {key} with seed 2.0" in message


def test_losses_of_one_training_alone_are_not_ignored(tmp_path):
    told = rows()
    for row in told:
        if row["architecture"] != THIRD:
            row["train_loss"] = ""
    assert f"is empty in epoch 1 of {members()[0].key} with seed 0.0 and 83 other rows" in refused(tmp_path, told)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_table_without_any_loss_has_no_curves(tmp_path, is_there):
    told = [{**row, "train_loss": ""} for row in rows()]
    told = told if is_there else [{name: v for name, v in row.items() if name != "train_loss"} for row in told]
    problem = named(str(write(tmp_path, told)))(0)
    assert {len(problem.losses(a, seed)) for a in problem.space for seed in problem.seeds(a)} == {0}
    assert all(math.isfinite(problem.accuracy(a, seed)) for a in problem.space for seed in problem.seeds(a))


def test_trainings_that_ended_at_different_epochs_may_be_told_by_their_last_rows(tmp_path):
    """What the error proposes."""
    told = [{n: v for n, v in row.items() if n not in ("epoch", "train_loss")} for row in rows() if row["epoch"] == 3]
    (cell,) = bench(str(write(tmp_path, told)), ["random"], [8], 2, 1).cells
    assert math.isfinite(cell.score)


def test_a_training_in_a_block_without_plain_is_named(tmp_path):
    own = [row for row in rows() if (row["architecture"], row["seed"]) == (THIRD, "2.0")]
    told = [*rows(), *({**row, "seed": "9.1"} for row in own)]
    assert f"holds {THIRD} with seed 9.1, but no training of plain in block 9" in refused(tmp_path, told)


def test_the_small_table_can_be_searched(tmp_path):
    (cell,) = bench(str(write(tmp_path, rows())), ["random+curve"], [8], 2, 1).cells
    assert math.isfinite(cell.score)
