"""Tables as people save them are read, or refused by name; none is read wrongly."""

import codecs
import gzip

import pytest

from search.execute.result_table import Table
from senet_nas.recipe import Seed
from spaces.errors import UserError

ROWS = [("architecture", "seed", "val_accuracy"), ("net/-", "0.0", "97.5"), ("net/-", "1.0", "96.25")]


def saved(separator=",", end="\n"):
    return "".join(separator.join(row) + end for row in ROWS)


READ = {
    "plain": saved().encode(),
    "with a byte order mark": codecs.BOM_UTF8 + saved().encode(),
    "semicolons": saved(";").encode(),
    "tabs": saved("\t").encode(),
    "lines of Windows": saved(";", "\r\n").encode(),
    "UTF-16 of Excel": saved("\t", "\r\n").encode("utf-16"),
    "UTF-16, big endian": codecs.BOM_UTF16_BE + saved().encode("utf-16-be"),
    "UTF-32": saved().encode("utf-32"),
    "quoted": saved().replace("net/-", '"net/-"').encode(),
    "no line end": saved().encode().rstrip(),
    "spaces after commas": saved(", ").encode(),
    "empty rows and columns": saved().replace("\n", ",,\n").encode() + b",,,,\n\n",
    "lines of old Macs": saved(end="\r").encode(),
}
REFUSED = {
    "empty": (b"", "is empty"),
    "empty lines": (b"\n \r\n", "is empty"),
    "a head alone": (saved().partition("\n")[0].encode(), "holds no results"),
    "a head and empty rows": (saved().partition("\n")[0].encode() + b"\n,,\n\n", "holds no results"),
    "decimal commas": (saved(";").replace("97.5", "97,5").encode(), ":2, column `val_accuracy`: `97,5` is not a"),
    "decimal commas between commas": (saved().replace("97.5", "97,5").encode(), ":2: 4 values for 3 columns"),
    "another name": (saved().replace("val_accuracy", "acc").encode(), ":1: the column val_accuracy is missing"),
    "a column twice": (saved().replace("seed", "val_accuracy", 1).encode(), "seed is missing"),
    "two columns of one name": (b"architecture,seed,val_accuracy,seed\n", "two columns are called `seed`"),
    "spaces": (saved(" ").encode(), "must name the columns"),
    "no head": (saved().partition("\n")[2].encode(), "must name the columns"),
    "UTF-16 without a mark": (saved().encode("utf-16-le"), "zero bytes"),
    "Latin-1": (saved().replace("net", "n\xe9t").encode("latin-1"), "is not text in utf-8"),
    "half of UTF-16": (saved().encode("utf-16")[:-1], "is not text in utf-16"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(range(256)), "is not text in utf-8"),
}


@pytest.mark.parametrize("how", READ)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_a_table_is_read_however_it_was_saved(tmp_path, how, ending):
    """b39ef70 refused a byte order mark and semicolons obscurely, and UTF-16 with a traceback."""
    path = tmp_path / f"table{ending}"
    path.write_bytes(gzip.compress(READ[how]) if ending.endswith("gz") else READ[how])
    results = Table(path).results["net/-"]
    assert {seed: epochs[-1][1]["val_accuracy"] for seed, epochs in results.items()} == {Seed(0): 97.5, Seed(1): 96.25}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_named(tmp_path, what):
    content, said = REFUSED[what]
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        _ = Table(path).results
    assert said in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize("content", [b"architecture,seed\n", b"\x1f\x8b\x08\x00broken"])
def test_a_compressed_table_that_is_damaged_is_named(tmp_path, content):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot read the table"):
        _ = Table(path).results


HINTS = {
    saved(";").replace("97.5", "97,5"): "write a decimal point: 97.5",
    saved().replace("97.5", "97.5 %"): "write 97.5",
    saved().replace("97.5", "good"): "write a number such as 93.5",
    saved().replace("97.5", "97,5"): "if decimal commas split numbers",
    saved().replace("val_accuracy", "acc"): "rename `acc` to `val_accuracy` if that is it",
    saved().replace("architecture", "Architecture"): "rename `Architecture` to `architecture` if that is it",
    saved().replace("seed", "sed"): "rename `sed` to `seed` if that is it",
    saved().replace("0.0", "a"): "block.replicate",
}


@pytest.mark.parametrize("text", HINTS)
def test_a_fault_comes_with_what_helps(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        _ = Table(path).results
    assert HINTS[text] in caught.value.hint


CELLS = {
    ("net/-", "0.0", "nan"): "column `val_accuracy`: `nan` is not a finite number",
    ("net/-", "0.0", "inf"): "column `val_accuracy`: `inf` is not a finite number",
    ("net/-", "0,1", "90"): "column `seed`: `0,1` is not a seed",
    ("net/-", "-1", "90"): "column `seed`: `-1` is not a seed",
    ("net/-", "", "90"): "column `seed`: is empty",
    ("net/-", "0.0", "90", "one"): "column `epoch`: `one` is not a whole number",
    ("net/-", "0.0", "90", "1.5"): "column `epoch`: `1.5` is not a whole number",
    ("net/-", "0.0", "90", "1", "0"): "column `params`: `0` is not more than 0",
    ("net/-", "0.0", "90", "1", "many"): "column `params`: `many` is not a number",
    ("net", "0.0", "90"): "column `architecture`: `net` is not an architecture",
    ("net/avg:fc4:sigmoid", "0.0", "90"): "column `architecture`: `avg:fc4:sigmoid` is not an SE block",
    ("net/mean:fc4:sigmoid@output", "0.0", "90"): "column `architecture`: unknown squeeze `mean`",
    ("net/avg:fc4:sigmod@output", "0.0", "90"): "column `architecture`: unknown gate `sigmod`",
    ("net/avg:fc4:sigmoid@end", "0.0", "90"): "column `architecture`: unknown position `end`",
}


@pytest.mark.parametrize("row", CELLS)
def test_the_first_fault_is_named_by_line_and_column(tmp_path, row):
    """A wrong key had no line, `nan` was read, and an architecture with an unknown name was never proposed."""
    path = tmp_path / "table.csv"
    good = "architecture;seed;val_accuracy;epoch;params\nnet/-;7;90;1.0;5\n"
    path.write_text(f"{good}{';'.join(row)}\nnet/-;x;y;z;0\n")
    with pytest.raises(UserError) as caught:
        _ = Table(path).results
    assert caught.value.message.startswith(f"{path}:3, {CELLS[row]}")
    assert caught.value.hint or "architecture" in CELLS[row]


def test_the_nearest_name_of_a_key_is_given(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("architecture,seed,val_accuracy\nnet/mean:fc4:sigmoid@output,0,90\n")
    with pytest.raises(UserError) as caught:
        _ = Table(path).results
    assert caught.value.hint == "did you mean `avg`?"
