"""The documentation as a site: it builds offline, every link leads somewhere, and nothing is fetched from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


class Page(HTMLParser):
    """The links, the targets of links, and what a browser fetches at once."""

    def __init__(self, text):
        super().__init__()
        self.links, self.targets, self.fetched = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.targets.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if given.get(FETCHED.get(tag, "")) and given.get("rel") != "canonical":
            self.fetched.append(given[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="needs mkdocs-material (the extra docs)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    found = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return {path: Page(path.read_text()) for path in folder.rglob("*.html")}


def test_every_page_of_the_docs_is_in_the_site_and_in_its_menu(site):
    menu = (ROOT / "mkdocs.yml").read_text()
    names = {path.name for path in site}
    for page in PAGES:
        assert f": {page.name}" in menu, f"mkdocs.yml does not name {page.name}"
        assert ("index" if page.stem == "README" else page.stem) + ".html" in names


def test_every_link_leads_somewhere(site):
    for path, page in site.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name} links to {link}"
            if parts.fragment and target in site:
                assert unquote(parts.fragment) in site[target].targets, f"{path.name} links to {link}"


def test_a_page_fetches_nothing_from_elsewhere(site):
    for path, page in site.items():
        assert [address for address in page.fetched if re.match(r"(https?:)?//", address)] == [], path.name


@pytest.mark.ray
def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    import nbformat
    from traitlets.config import Config

    book = nbformat.read(ROOT / "docs" / "first-search.ipynb", as_version=4)
    assert [cell for cell in book.cells if cell.cell_type == "code" and cell.outputs] == []
    # The kernel listens at files: of five ports that are free now, another process may have one when it has started.
    files = Config(KernelManager={"transport": "ipc", "ip": str(tmp_path / "kernel")})
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, config=files, timeout=300, resources=place).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    said = "".join(str(output.get("text", output.get("data", ""))) for output in outputs)
    assert "% parameters" in said
    assert "image/png" in said
    assert len(re.findall(r"^samples/\d\.png: \d \d", said, flags=re.MULTILINE)) == 5
    assert (tmp_path / "runs" / "notebook" / "report.html").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_begins_with_what_its_reader_wants_to_do(page):
    _, first, *_ = page.read_text().split("\n\n")
    assert first.startswith(("To ", "| You want to |")), first
