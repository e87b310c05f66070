"""The commands that README and docs show. `test_cli.py` runs them where the demo was run; the rest is named here."""

import re
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from search.cli.app import cli

ROOT = Path(__file__).parent.parent.parent
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")
PROGRAMS = ("senet-search", "make", "python")

# What takes long, or needs a browser or an installation, and the test that runs it. By how a command begins.
ELSEWHERE = {
    "senet-search run": "tests/search/cli/test_cli.py::test_it_ends_with_a_verdict_and_prints_nothing_of_others",
    "senet-search export config": "tests/search/cli/test_cli.py::test_the_exported_network_runs_without_this_project",
    "senet-search train config --devices": "tests/search/execute/ray/test_train_group.py"
    "::test_two_processes_train_as_one_and_their_number_is_remembered",
    "senet-search train": "tests/search/full_training/test_run.py"
    "::test_killed_and_started_again_it_ends_with_the_same_weights",
    "senet-search ui": "tests/search/track/test_views.py"
    "::test_the_printed_address_opens_the_prepared_chart_beside_the_runs",
    "senet-search dashboard": "tests/search/dashboard/test_dashboard.py"
    "::test_the_command_writes_the_file_and_opens_the_first_study",
    "make demo": "tests/search/cli/test_cli.py::test_it_ends_with_a_verdict_and_prints_nothing_of_others",
    "make docs": "tests/test_docs_site.py::test_every_link_leads_somewhere",
    "make test": ".ci/run::make test",
    "make check": ".ci/run::make check",
}
# Pages whose code and commands another test runs from the first line to the last.
WHOLE = {
    "python.md": "tests/search/cli/test_cli.py::test_the_page_on_python_runs",
    "segmentation.md": "tests/search/test_segmentation.py::test_it_is_searched_by_mean_iou",
    "own-network.md": "tests/search/cli/test_fine_tuning.py::test_its_commands_are_those_of_a_fine_tuning",
}
# Between backticks in a sentence these are run too; of others it is checked that command and options exist.
QUICK = ("senet-search list", "senet-search schema", "senet-search show ", "senet-search profile ")


def typed(*words: str) -> str:
    """What a command prints that is typed in this process, which has torch loaded already."""
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 0, told.output
    return told.output


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def write_files(page: Path, folder: Path) -> None:
    """The files that a page shows: the first line of each is a comment with its name."""
    for _, text in blocks(page):
        name = re.match(r"# (\S+\.\w+)\n", text)
        if name:
            (folder / name[1]).write_text(text)


def shown(page: Path) -> list[str]:
    """The commands that stand in blocks for a shell, without prompt and comment; in fences, or indented."""
    outside = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    fenced = [line for language, text in blocks(page) if language in ("", "console", "sh") for line in text.split("\n")]
    indented = [line.strip() for line in outside.split("\n") if line.startswith("    ")]
    plain = [re.sub(r"\s+#.*", "", line).removeprefix("$ ").strip() for line in fenced + indented]
    return [line for line in plain if line.split(" ")[0] in PROGRAMS and " " in line]


def mentioned(page: Path) -> list[str]:
    """The commands of ours that stand between backticks in a sentence."""
    outside = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [text for text in re.findall(r"`([^`\n]+)`", outside) if text.startswith("senet-search ")]


def is_pattern(command: str) -> bool:
    """Whether it has places to fill in: RUN, --jobs N, [--json], ..."""
    return bool(re.search(r"\b[A-Z]{2,}\b|\b[A-Z]\b|\.\.\.|[\[|]", command))


def elsewhere(command: str) -> str | None:
    """The test that runs a command, where that is not the test of the docs."""
    return next((test for begin, test in ELSEWHERE.items() if f"{command} ".startswith(f"{begin} ")), None)


def to_run(page: Path) -> list[str]:
    """What the test of the docs runs for a page, in its order: without what another page has run in the same place."""
    earlier = {step for other in PAGES[: PAGES.index(page)] for step in _steps(other)}
    return [step[-1] for step in _steps(page) if step not in earlier or step[0] not in ("check", "export")]


def _steps(page: Path) -> list[tuple[str, str, str]]:
    """Commands as (which, what it works on, text): a check works on what the `init` before it wrote."""
    quick = [text for text in mentioned(page) if text.startswith(QUICK)]
    texts = [text for text in [*([] if page.name in WHOLE else shown(page)), *quick] if not is_pattern(text)]
    inits = [text for text in texts if text.startswith("senet-search init")]
    which = [text.split(" ")[1] for text in texts]
    steps = [
        (name, "".join(inits[-1:]) if name == "check" else "", text) for name, text in zip(which, texts, strict=True)
    ]
    return [step for step in dict.fromkeys(steps) if not elsewhere(step[-1])]
