"""The table of docs/own-network.md is that of the committed result, and a handful of its rows are made again."""

import pytest

from benchmarks import environment, timm_networks

pytest.importorskip("timm")
ROWS = environment.read(timm_networks.RESULT)["rows"]
AGAIN = ("resnet10t", "mobilenetv3_small_050")
# What may be another with another version of timm: reasons and remarks.
STABLE = ("units", "positions", "attention", "published")


def test_the_page_holds_the_table_of_the_result():
    page = timm_networks.PAGE.read_text()
    assert timm_networks.filled(page, ROWS) == page


def test_every_network_of_the_list_was_tried_and_most_train_and_export():
    listed = [name for names in timm_networks.FAMILIES.values() for name in names]
    assert set(ROWS) == set(listed)
    done = [name for name in listed if not ROWS[name]["failed"]]
    assert len(done) >= 40
    assert len([names for names in timm_networks.FAMILIES.values() if set(names) & set(done)]) >= 12
    assert all(ROWS[name]["export"] for name in done)


@pytest.mark.parametrize("name", AGAIN)
def test_a_row_made_again_is_the_same(name):
    again = timm_networks.found(name)
    assert {key: again[key] for key in STABLE} == {key: ROWS[name][key] for key in STABLE}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(ROWS) - set(AGAIN)))
def test_each_row_made_again_is_the_same(name):
    row = timm_networks.tried(name)
    assert {key: row[key] for key in (*STABLE, "export")} == {key: ROWS[name][key] for key in (*STABLE, "export")}
