"""Prints as JSON all places at which a cost of the table is read or shown, of a small run. A program of its own."""

import io
import json
import os
from contextlib import closing, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import CliRunner

from search import config
from search.cli.app import cli
from search.config import ConfigError, Experiment
from search.report import picture
from search.report.markdown import markdown
from search.report.page import html
from search.report.terminal import show
from search.results.compute import compute
from search.results.objectives import excess
from search.results.result import Front, Rules
from search.results.selection import choose
from search.setup.experiment_setup import prepare
from search.state.ledger import Ledger
from search.track import projection, views
from spaces import Architecture, durable
from tests.search import ledgers

SEARCHED = {
    "name": "made-up",
    "data": "digits",
    "model": {"backbone": "cifar_resnet8"},
    "space": {"reduction": [4], "position": ["pre_addition"], "squeeze": ["avg"]},
    "objectives": [{"metric": "accuracy"}, {"metric": "scalings", "limit": 5}],
}


def found(folder: Path) -> dict[str, Any]:
    prepared = prepare(Experiment.from_dict(SEARCHED))
    objectives = prepared.experiment.objectives
    durable.write(folder / "config.yaml", config.to_yaml(prepared.experiment))
    architectures = sorted(prepared.space, key=lambda a: sum(se is not None for se in a.blocks))
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        for architecture in architectures:
            entry = ledger.enter(architecture, f"placement {len(ledger.entries)}", prepared.price(architecture))
            ledgers.train(ledger, entry, [90.0 + entry.number, 90.5 + entry.number])
        front = compute("made-up", ledger, Rules(objectives))
        trainings = ledger.trainings
        entries = ledger.entries
        page = html(front, trainings, entries, ledger.facts)
    figures = projection.figures(trainings[-1], entries[-1])
    view = views.view("parent", "scalings_overhead")
    return {
        "channels": _scaled(prepared.space.sites, architectures[-1]),
        "priced": prepared.price(architectures[-1]),
        "over the limit": [point.allowed for point in front.points],
        "excess": excess(objectives, prepared.price(architectures[-1])),
        "point": dict(front.points[-1].costs),
        "json": json.loads(front.to_json())["points"][-1],
        "csv": front.to_csv().splitlines()[0].split(","),
        "terminal": _terminal(front, folder),
        "page": page,
        "markdown": markdown(front),
        "axis": picture.figure(front).axes[0].get_xlabel(),
        "figures": figures,
        "front table": projection.table(front)["columns"],
        "view": json.dumps(view),
        "chosen": choose(front, "accurate", {"scalings_overhead": 2.0}).costs["scalings_overhead"],
        "profile": _printed("profile", "cifar_resnet8"),
        "show": _printed("show", "cifar_resnet8"),
        "show json": json.loads(_printed("show", "cifar_resnet8", "--json")),
        "drawing": _drawn(folder / "network.svg"),
        "export": _printed("export", "--help"),
        "train": _printed("train", "--help"),
        "list": _printed("list", "measures"),
        "reference": _printed("schema", "--markdown"),
        "schema": _printed("schema"),
        "wrong": _wrong(),
    }


def _scaled(sites: Any, architecture: Architecture) -> int:
    pairs = zip(sites, architecture.blocks, strict=True)
    return sum(site.channels[se.position] for site, se in pairs if se is not None)


def _terminal(front: Front, folder: Path) -> str:
    os.environ["COLUMNS"] = "200"
    said = io.StringIO()
    with redirect_stdout(said):
        show(front, folder=folder)
    return said.getvalue()


def _printed(*words: str) -> str:
    result = CliRunner().invoke(cli, list(words), terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.output


def _drawn(to: Path) -> str:
    _printed("show", "cifar_resnet8", "--svg", str(to))
    return to.read_text()


def _wrong() -> str:
    """What is said of a metric that does not exist."""
    try:
        Experiment.from_dict({**SEARCHED, "objectives": [{"metric": "scaling"}]})
    except ConfigError as error:
        return str(error)
    return ""


def main() -> None:
    with TemporaryDirectory() as name:
        print(json.dumps(found(Path(name))))
