"""axe-core finds nothing serious on the page: in light and dark, on a wide screen and on a phone."""

import json
from importlib import resources

import pytest

from tests import browser
from tests.search import stored_runs as stored

pytestmark = pytest.mark.skipif(browser.find() is None, reason="needs Chromium (apt-get install chromium)")
axe_core = pytest.importorskip("axe_core_python", reason="needs axe-core-python (extra `test`)")

SCRIPT = resources.files(axe_core).joinpath("axe.min.js").read_text()
SERIOUS = ("serious", "critical")
RUN = """axe.run(document).then(found => [found.passes.length, found.violations.map(one => [
    one.impact, one.id, one.nodes.slice(0, 3).map(node => node.html.slice(0, 200) + " " + node.failureSummary),
])])"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return {kind: stored.page(kind, runs)[0] for kind in ("likely", "too short")}


@pytest.fixture(scope="module")
def chromium():
    with browser.opened() as opened:
        yield opened


def checked(page):
    """How many rules the page passes, and the serious findings."""
    page.ask(f"{SCRIPT}; null")
    passed, violations = page.ask(RUN)
    return passed, [one for one in violations if one[0] in SERIOUS]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["likely", "too short"])
def test_there_are_no_serious_findings(chromium, paths, kind, scheme, width):
    page = chromium.page()
    page.open(paths[kind].as_uri(), width=width, height=800)
    page.seen(scheme=scheme)
    page.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    passed, found = checked(page)
    assert passed > 20
    assert found == [], json.dumps(found, indent=1)


def test_what_cannot_be_read_is_found(chromium, paths):
    """So that no findings mean that axe has looked."""
    page = chromium.page()
    page.open(paths["likely"].as_uri())
    page.ask("document.querySelector('.verdict').style.color = '#ccc'")
    _, found = checked(page)
    assert [one[1] for one in found] == ["color-contrast"]
