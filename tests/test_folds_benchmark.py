"""The committed figures of benchmarks.folds follow from the gains beside them, and the pages name them."""

import pytest

from benchmarks import environment, folds
from tests.search.documented import ROOT

RESULT = environment.read(folds.RESULTS)
GAINS = [folds.Gains(entry["split"], tuple(entry["single"]), tuple(entry["folds"])) for entry in RESULT["gains"]]


def test_the_figures_follow_from_the_gains():
    for name in ("gain", "sigma", "seen"):
        assert RESULT[name] == pytest.approx(folds.summary(GAINS)[name])
    assert len(GAINS) == RESULT["splits"] >= 2
    assert all(gains.single[0] == gains.folds[0] for gains in GAINS)  # the pair that both have


def test_the_page_names_them():
    page = (ROOT / "docs" / "your-data.md").read_text()
    for kind in ("single", "folds"):
        low, high = RESULT["interval"][kind]
        assert f"{RESULT['sigma'][kind]:.2f}" in page
        assert f"[{low:.2f}, {high:.2f}]" in page
    assert f"{RESULT['splits']} random splits" in page
