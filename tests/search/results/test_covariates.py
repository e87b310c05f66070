"""What placements showed in a shared network, in the features of a run and of its whole space."""

import numpy as np
import pytest

from search.model.features import describe
from search.planning import candidates
from search.results.covariates import described
from search.results.evidence import Evidence
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.shared_facts import SharedFigures
from spaces.placements import label
from tests.search import ledgers

COLUMNS = ("val_accuracy", "train_loss")


@pytest.fixture
def space(make_space):
    return make_space()


def figures_of(members):
    return SharedFigures(COLUMNS, {member.key: (70.0 + i % 9, 0.1 * i) for i, member in enumerate(members)})


def test_without_figures_the_features_are_those_of_the_architectures(space):
    members = list(space)
    assert np.array_equal(described(members, space.sites).matrix, describe(members, space.sites).matrix)


def test_with_figures_there_is_a_column_for_each(space):
    members = list(space)
    found = described(members, space.sites, figures_of(members))
    assert found.columns[-2:] == (("covariate", "val_accuracy"), ("covariate", "train_loss"))
    assert not found.matrix[0].any()


def test_placements_that_were_not_evaluated_or_have_no_finite_figure_are_unknown(space):
    members = list(space)
    some = figures_of(members[:20])
    some.values[members[3].key] = (75.0, None)
    found = described(members, space.sites, some)
    accuracy, loss = found.matrix[:, -2], found.matrix[:, -1]
    assert np.flatnonzero(loss).max() < 20
    assert loss[3] == 0 != accuracy[3]


def test_a_run_and_its_candidates_have_the_figures_of_its_ledger(space):
    members = list(space)
    figures = figures_of(members)
    ledger = Ledger(":memory:")
    ledger.note_space(space)
    for member in members[:12]:
        ledger.enter(member, label(member, space.sites), ledgers.price())
    without = Evidence.of(ledger).features
    ledger.note(Facts(shared_figures=figures))
    found = Evidence.of(ledger).features
    assert found.columns == (*without.columns, ("covariate", "val_accuracy"), ("covariate", "train_loss"))
    listed = candidates.whole(space, lambda _: {}, (), figures)
    assert listed.features.columns[-2:] == found.columns[-2:]
    assert candidates.whole(space, lambda _: {}, ()).features.columns == listed.features.columns[:-2]


def test_a_ledger_without_sites_has_no_columns():
    ledger = Ledger(":memory:")
    ledgers.enter(ledger)
    ledger.note(Facts(shared_figures=SharedFigures(COLUMNS, {})))
    assert Evidence.of(ledger).features.columns == ()
