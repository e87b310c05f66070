"""What the report and the status say about loss curves."""

import dataclasses
import random
from contextlib import closing

import numpy as np
import pytest

from search import config
from search.config import Experiment
from search.report.curves_section import curves_section
from search.report.page import html
from search.report.result_lines import sentences
from search.report.status import read_status
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from spaces import durable
from tests.search import ledgers

PLACEMENTS = 40


def fill(ledger):
    """A training of each of 40 placements, twice, and plain more often; losses fall where accuracy rises."""
    rng = random.Random(0)
    entries = ledgers.enter(ledger, range(PLACEMENTS + 1))
    gains = [0.0, *(rng.gauss(0, 0.5) for _ in range(PLACEMENTS))]
    rows = [(entry, Seed(0, n)) for n in range(2) for entry in entries] + [(entries[0], Seed(0, n)) for n in (2, 3, 4)]
    outcomes = []
    for entry, _ in rows:
        losses = [np.exp(0.1 * rng.gauss(-3 * gains[entry.number], 0.3)), 0.5]
        curve = [{"epoch": epoch, "train_loss": float(loss)} for epoch, loss in enumerate(losses, start=1)]
        outcomes.append(ledgers.ended(90 + gains[entry.number] + rng.gauss(0, 0.3), curve))
    ledgers.play(ledger, rows, outcomes)


@pytest.fixture(scope="module")
def ledger():
    ledger = Ledger(":memory:")
    fill(ledger)
    return ledger


def test_the_correlation_is_shown_among_all_in_thirds_of_the_overhead_and_in_the_better_half(ledger):
    front = compute("run", ledger, Rules(DEFAULT))
    section = curves_section(front, ledger.trainings, ledger.entries, ())
    assert [row.cells[:2] for row in section.table.rows] == [
        ("all", "80"),
        ("cheapest third", "28"),
        ("middle third", "28"),
        ("most expensive third", "24"),
        ("better half by estimated gain", "40"),
    ]
    assert float(section.table.rows[0].cells[2]) < -0.8
    assert "No row differs from the first by more than chance." in section.footnotes[0]
    assert front.insights.curves.words() in section.note
    page = html(front, ledger.trainings, ledger.entries, Facts())
    assert section.title in page
    assert front.insights.curves.words() in front.findings
    assert front.to_dict()["insights"]["curves"]["p_nothing"] == front.insights.curves.p_nothing


@pytest.mark.parametrize("curves", [True, False])
def test_the_terminal_says_with_the_result_how_far_losses_are_trusted(ledger, curves):
    front = compute("run", ledger, Rules(DEFAULT, curves=curves))
    said = sentences(front)
    assert any("Training losses explain" in line for line in said) == curves
    assert not curves or front.insights.curves.words() in said


def test_a_model_of_accuracy_alone_says_nothing_of_losses(ledger):
    front = compute("run", ledger, Rules(DEFAULT, curves=False))
    assert curves_section(front, ledger.trainings, ledger.entries, ()) is None
    assert "curves" not in front.to_dict()["insights"]
    assert not any("losses" in line for line in front.findings)


def test_of_groups_with_few_trainings_the_row_says_that_it_cannot_be_told(ledger):
    front = compute("run", ledger, Rules(DEFAULT))
    few = [t for t in ledger.trainings if t.architecture < 12]
    section = curves_section(front, few, ledger.entries, ())
    told = {row.cells[0]: row.cells[3] for row in section.table.rows if row.cells[2] != "-"}
    assert list(told) == ["all", "cheapest third"]
    (half,) = [row.cells for row in section.table.rows if row.cells[0] == "better half by estimated gain"]
    assert half[2:] == ("-", "cannot be told: fewer than 16 trainings can be compared", "-")
    assert curves_section(front, few[:8], ledger.entries, ()) is None


@pytest.mark.parametrize(("model", "is_said"), [("auto", True), ("curves", True), ("accuracy", False)])
def test_the_status_says_how_far_losses_are_trusted(tmp_path, model, is_said):
    place = RunFolder(tmp_path / "run")
    place.create()
    with closing(Ledger(place.ledger)) as ledger:
        fill(ledger)
    described = {"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "search": {"model": model}}
    durable.write(place.config, config.to_yaml(Experiment.from_dict(described)))
    found = read_status("run", tmp_path)
    assert ("Training losses explain" in found.curves) == is_said
    assert (f"  {found.curves}" in found.lines()) == is_said
    assert ("curves" in found.to_dict()) == is_said
    assert dataclasses.asdict(found)["curves"] == found.curves
