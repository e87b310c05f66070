"""What a run says about its shared network: its cost, and what it told about the gains."""

from dataclasses import replace

import numpy as np
import pytest

from search.model.features import describe
from search.model.fitting import fit
from search.model.observations import Observation
from search.results.evidence import Evidence
from search.results.insights import gather
from search.results.shared_evidence import SharedEvidence, shared_evidence
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Outcome
from search.state.shared_facts import SharedFigures, SharedNetworkFact
from senet_nas.recipe import Seed
from spaces.placements import label
from tests.search import ledgers

FACT = SharedNetworkFact(32, 57, 5.42, state="finished", seconds=39.0)
SAYS = SharedEvidence(32, 57, 5.42, 5.8, 0.41, 0.1, 0.65, 0.05)


def searched(space, slope, rng):
    """A ledger whose placements gain ``slope`` times what they showed, and noise; each was trained once."""
    ledger = Ledger(":memory:")
    ledger.note_space(space)
    members = list(space)
    shown = rng.standard_normal(len(members))
    rows = []
    for i, member in enumerate(members):
        entry = ledger.enter(member, label(member, space.sites), ledgers.price())
        for replicate in range(1 if i else 8):
            gain = slope * shown[i] if i else 0.0
            rows.append((entry, replicate, 90 + gain + 0.3 * rng.standard_normal()))
    for entry, replicate, accuracy in rows:
        outcome = Outcome({"val_accuracy": accuracy, "train_seconds": 6.5})
        ledgers.play(ledger, [(entry, Seed(0, replicate))], [outcome])
    figures = SharedFigures(("train_loss",), {m.key: (float(v),) for m, v in zip(members, shown, strict=True)})
    ledger.note(Facts(shared_network=FACT, shared_figures=figures))
    return ledger


def evidence_of(make_space, slope):
    evidence = Evidence.of(searched(make_space(), slope, np.random.default_rng(1)))
    seen = [Observation(t.architecture, 0, t.metrics["val_accuracy"]) for t in evidence.finished]
    return evidence, fit(seen, evidence.features)


def test_what_explains_the_gains_is_seen_with_its_share_and_its_cost(make_space):
    evidence, posterior = evidence_of(make_space, 0.5)
    found = shared_evidence(evidence, posterior, 0.9)
    assert found.p_nothing < 0.05
    assert found.low < found.share < found.high <= 1
    assert found.share > 0.5
    assert (found.trainings, found.measured) == (5.42, pytest.approx(6.0))
    assert found.words in gather(evidence, posterior, 0.9).lines(0.9)


def test_what_tells_nothing_is_not_believed(make_space):
    evidence, posterior = evidence_of(make_space, 0.0)
    found = shared_evidence(evidence, posterior, 0.9)
    assert found.p_nothing > 0.4
    assert found.low == 0.0


def test_the_words_say_how_sure_it_is():
    assert SAYS.words == (
        "One network that 57 placements share was trained first. It cost 5.4 trainings of the budget, and as much time "
        "as 5.8 trainings of plain. What placements show in it explains about 41 % (10 to 65 %) of the differences "
        "between their gains."
    )
    assert "probably tells nothing about their gains (probability 80 %)" in replace(SAYS, p_nothing=0.8).words
    assert "not known yet" in replace(SAYS, p_nothing=0.5).words
    assert "and as much time" not in replace(SAYS, measured=None).words
    assert replace(SAYS, failure="diverged").words == (
        "The shared network failed (diverged), so the search went on without it."
    )


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_before_its_end_nothing_is_said(make_space, state):
    evidence, posterior = evidence_of(make_space, 0.5)
    facts = replace(evidence.facts, shared_network=replace(FACT, state=state))
    assert shared_evidence(replace(evidence, facts=facts), posterior, 0.9) is None
    without = replace(evidence, facts=replace(evidence.facts, shared_network=None))
    assert shared_evidence(without, posterior, 0.9) is None
    assert "shared" not in gather(without, posterior, 0.9).to_dict()
    assert gather(evidence, posterior, 0.9).to_dict()["shared"]["placements"] == 57


def test_without_covariates_nothing_is_explained(make_space):
    space = make_space()
    seen = [Observation(i, 0, 90.0 + i % 3) for i in range(space.size)]
    posterior = fit(seen, describe(list(space), space.sites))
    assert not posterior.explained_by_covariates().any()
