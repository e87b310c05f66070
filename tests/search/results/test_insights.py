"""What a run says beyond its front, in the order in which people should read it."""

import math

import numpy as np
import pytest

from search.results.effects import Contrast
from search.results.evidence import Evidence
from search.results.insights import Insights, gather
from search.results.search_progress import Progress
from search.results.validation_noise import Learned, Validation
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed
from spaces import Site
from tests.search import ledgers
from tests.search.model.posteriors import drawn

PAYS = Contrast("stage", "1", 0.3, 0.1, 0.5, 0.99)
PAYS_TOO = Contrast("gate", "sigmoid", 0.2, 0.1, 0.3, 0.95)
WORSE = Contrast("gate", "relu", -0.2, -0.3, -0.1, 0.05)
COSTS = Contrast("stage", "2", -0.3, -0.5, -0.1, 0.01)
OPEN = Contrast("stage", "3", 0.0, -0.5, 0.5, 0.5)
PROGRESS = Progress(0.5, 0.2, 0.8, 0.3, 0.2, 9.0, 100.0)
NOISE = Validation(1000, 2.0, 1.5)


def test_what_pays_stands_before_what_costs_and_progress_and_noise_follow():
    lines = Insights((OPEN, COSTS, PAYS, PAYS_TOO, WORSE), PROGRESS, NOISE).lines(0.9)
    assert lines == [
        f"Likely pays: {PAYS.words()}.",
        # No gain over plain: all of the alternatives may lose.
        "Likely better than its alternatives: gate sigmoid (+0.20 points [+0.10, +0.30]).",
        f"Likely costs: {COSTS.words()}.",
        f"Likely worse than its alternatives: {WORSE.words()}.",
        PROGRESS.words(),
        NOISE.words,
    ]
    assert Insights((), PROGRESS, None).lines(0.9) == [PROGRESS.words()]


def test_where_no_contrast_is_sure_one_sentence_says_so():
    first, *rest = Insights((OPEN,), PROGRESS, None).lines(0.9)
    assert first == "No single stage, position, width, squeeze or gate is likely to help or to hurt."
    assert rest == [PROGRESS.words()]


def test_where_placements_cannot_differ_that_comes_first_or_alone():
    everything, nothing, usual = Learned(99.99, 10.0), Learned(11.0, 10.0), Learned(80.0, 10.0)
    assert Insights((PAYS,), PROGRESS, NOISE, everything).lines(0.9) == [everything.words()]
    lines = Insights((PAYS,), PROGRESS, None, nothing).lines(0.9)
    # No number of such trainings is named.
    assert lines == [nothing.words(), f"Likely pays: {PAYS.words()}.", PROGRESS.spread()]
    assert Insights((PAYS,), PROGRESS, None, usual).lines(0.9) == [lines[1], PROGRESS.words()]


def test_json_has_every_part_and_no_infinity():
    body = Insights((PAYS,), PROGRESS, NOISE, Learned(80.0, 10.0)).to_dict()
    assert list(body) == ["contrasts", "progress", "validation", "learned"]
    assert body["contrasts"] == [vars(PAYS)]
    assert body["progress"] == vars(PROGRESS)
    assert body["validation"] == {**vars(NOISE), "share": NOISE.share}
    assert body["learned"] == {"accuracy": 80.0, "guessing": 10.0}
    endless = Progress(0.0, 0.0, 0.0, 0.0, 0.2, 9.0, math.inf)
    body = Insights((), endless, None).to_dict()
    assert (body["progress"]["trainings"], body["validation"], body["learned"]) == (None, None, None)


@pytest.fixture
def ledger():
    """Plain and five others; of the last nothing has finished."""
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger, range(6))
    for number, entry in enumerate(entries[:5]):
        rows = [(entry, Seed(0, 0)), (entry, Seed(0, 1))]
        ledgers.play(ledger, rows, [Outcome({"val_accuracy": 90.0 + number}, correct=b"\xff\xff")] * 2)
    return ledger


def test_insights_of_a_run_are_gathered_from_its_posterior_and_facts(ledger):
    posterior = drawn(np.random.default_rng(0).normal(0.5, 0.1, (200, 5)))
    bare = gather(Evidence.of(ledger), posterior, 0.9)
    assert (bare.contrasts, bare.validation, bare.learned) == ((), None, None)
    assert bare.progress.freedom == pytest.approx(posterior.freedom(6))
    sites = tuple(Site(f"{stage}.0", stage, {"pre_addition": 16}) for stage in (1, 2))
    data = DataFact(validation=16, classes=("a", "b"))
    ledger.note(Facts(sites=sites, space_size=500, data=data))
    found = gather(Evidence.of(ledger), posterior, 0.9)
    assert found.validation == Validation(16, posterior.sigma, 0.0)
    assert found.learned == Learned(90.0, 50.0, best_gain=float(posterior.gains.mean(axis=0).max()))
    assert found.progress.freedom == pytest.approx(posterior.freedom(500))
    assert {c.factor for c in found.contrasts} <= {"stage", "width"}
