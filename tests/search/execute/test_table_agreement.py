"""Rows of a table that contradict each other, or are no percentages, are refused with their line and column."""

import pytest

from search.execute.result_table import Table
from senet_nas.recipe import Seed
from spaces.errors import UserError

HEAD = "architecture,seed,epoch,val_accuracy,params,macs,loss\n"
SE = "net/avg:fc4:sigmoid@output"
PLAIN = "net/-,0,1,40,100,5000,2\nnet/-,0,2,80,100,5000,1\n"
REFUSED = {
    "above 100": (PLAIN + f"{SE},0,2,130,101,1,1\n", ":4, column `val_accuracy`: `130` is no percentage", "percent"),
    "below 0": (PLAIN + f"{SE},0,2,-3,101,1,1\n", ":4, column `val_accuracy`: `-3` is no percentage", "percent"),
    "in an early epoch": (PLAIN.replace("40", "100.5"), ":2, column `val_accuracy`: `100.5` is no", "percent"),
    "all shares": (
        PLAIN.replace("80", "0.8").replace("40", "0.4"),
        ":2, column `val_accuracy`: 0.4 looks like a share: no",
        "write percent: 40",
    ),
    "all shares up to 1": (PLAIN.replace("80", "1").replace("40", "0"), ":3, column", "write percent: 100"),
    "a share among percent": (
        PLAIN + "net/-,1.2,7,0.805,100,5000,1\n",
        ":4, column `val_accuracy`: 0.805 looks like a share among percent",
        "write percent: 80.5; or leave the training out if it failed",
    ),
    "shares of one seed": (
        PLAIN + "net/-,1,2,0.81,100,5000,1\nnet/-,1,1,0.2,100,5000,1\n",
        ":4, column `val_accuracy`: 0.81 looks",
        "write percent: 81",
    ),
    "two costs": (
        PLAIN + "net/-,1,2,81,100,5001,1\n",
        ":4, column `macs`: 5001 for `net/-`, which has 5000 in line 2",
        "the same number in both lines",
    ),
    "two costs in epochs": (PLAIN.replace("80,100", "80,99"), ":3, column `params`: 99 for `net/-`", "one cost"),
    "thousands of a cost": (PLAIN.replace(",100,", ',"1,000",'), ":2, column `params`: `1,000` is not", "write 1000"),
    "millions of a cost": (PLAIN.replace(",100,", ',"1,000,000",'), "column `params`", "write 1000000"),
    "spaces in a cost": (PLAIN.replace(",100,", ",1 000,"), "column `params`: `1 000` is not a number", "write 1000"),
    "a decimal cost": (PLAIN.replace(",100,", ',"1,5",'), "column `params`", "write a decimal point: 1.5"),
    "an accuracy like thousands": (PLAIN.replace("80", '"80,125"'), "column `val_accuracy`", "decimal point: 80.125"),
    "a point in a cost": (
        PLAIN + f"{SE},1,2,81,101,1.000,1\n",
        ":4, column `macs`: `1.000` is 1000 if the point separates thousands, and 1 if it is a decimal one",
        "write 1000, without points in this column; or 1.0000 if it is decimal",
    ),
    "points in a cost": (PLAIN.replace(",5000,", ",5.000.000,"), "column `macs`: `5.000.000` is not", "write 5000000"),
    "another column": (PLAIN.replace("000,1", '000,"1,234"'), ":3, column `loss`", "write 1234, or 1.234 if the comma"),
}
READ = {
    "an early epoch near 0": PLAIN.replace("40", "0.8"),
    "nothing learnt": PLAIN.replace("80", "0").replace("40", "0"),
    "1 % of 100 classes": PLAIN + "net/-,1,2,1.0,100,5000,1\n",
    "0": PLAIN + "net/-,1,2,0,100,5000,1\n",
    "100": PLAIN + "net/-,1,2,100,100,5000,1\n",
    "costs in some rows": PLAIN + "net/-,1,2,80,,,1\n",
    "costs as decimals": PLAIN + "net/-,1,2,80,100.0,5e3,1\n",
    "a cost with three decimals": PLAIN.replace(",5000,", ",1.0000,") + f"{SE},1,2,80,110,1.234,1\n",
    "a cost below 1": PLAIN.replace(",5000,", ",0.500,") + f"{SE},1,2,80,110,1.234,1\n",
    "costs of others": PLAIN + f"{SE},1,2,80,110,5100,1\n",
}


def table(folder, text):
    path = folder / "table.csv"
    path.write_text(HEAD + text)
    return Table(path)


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_contradict_each_other_are_refused_by_line(tmp_path, name):
    """Shares were read as percent, 130 failed in the search, and the cost of the first seed was taken."""
    text, said, hint = REFUSED[name]
    with pytest.raises(UserError) as caught:
        table(tmp_path, text).prepare()
    assert said in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", READ)
def test_what_only_looks_odd_is_read(tmp_path, name):
    assert table(tmp_path, READ[name]).results["net/-"][Seed(0)][-1][0] == 2
