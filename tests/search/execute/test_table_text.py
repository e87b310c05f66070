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
}
REFUSED = {
    "empty": (b"", "must name the columns"),
    "decimal commas": (saved(";").replace("97.5", "97,5").encode(), "97,5"),
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
