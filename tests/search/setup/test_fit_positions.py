"""Positions that a config leaves out fit the units that are found in the network."""

import pytest

from search.config import Experiment
from search.setup import fit_positions
from senet_nas.network import build
from spaces import SE, Site

RESIDUAL = dict.fromkeys(("pre_addition", "post_addition", "pre_unit", "identity", "mid"), 8)
STRIDED = {"mid": 8, "output": 8}
LAST = {"output": 8}
# The channels of the sites: the positions, and the sites if these are restricted.
FOUND = {
    "residual": ([RESIDUAL] * 2, ("pre_addition", "post_addition"), None),
    "inverted": ([STRIDED, RESIDUAL, STRIDED], ("mid",), None),
    "chain": ([LAST] * 2, ("output",), None),
    "a stage without": ([RESIDUAL, RESIDUAL, LAST], ("pre_addition",), ("1.0", "1.1")),
    "a unit without `mid`": ([STRIDED, STRIDED, LAST], ("output",), None),
}


@pytest.fixture
def offering(monkeypatch):
    def put(channels):
        sites = tuple(Site(f"1.{i}", 1, offered) for i, offered in enumerate(channels))
        monkeypatch.setattr(build, "sites", lambda _: sites)

    return put


def experiment(model=None, **space):
    model = {"backbone": "mine:net", **(model or {})}
    return Experiment.from_dict({"data": "digits", "model": model, **({"space": space} if space else {})})


@pytest.mark.parametrize("name", FOUND)
def test_a_position_that_all_units_offer_is_the_default(offering, name):
    channels, position, sites = FOUND[name]
    offering(channels)
    found = fit_positions.fitted(experiment()).space
    assert (found.position, found.sites) == (position, sites)


@pytest.mark.parametrize(
    ("model", "space"),
    [({}, {"position": ["pre_unit"]}), ({"sites": ["a.*"]}, {})],
)
def test_what_is_written_or_known_beforehand_stays(offering, model, space):
    offering([LAST])
    asked = experiment(model, **space)
    assert fit_positions.fitted(asked) is asked


def test_a_start_as_the_identity_gets_a_gate_that_allows_it(offering):
    offering([STRIDED])
    found = fit_positions.fitted(experiment({"init": "identity"})).space
    assert found.gate == ("sigmoid2",)
    assert fit_positions.fitted(experiment({"init": "identity"}, gate=["tanh"])).space.gate == ("tanh",)
    assert SE.parse(f"avg:fc2:{found.gate[0]}@{found.position[0]}").position in STRIDED


def test_only_the_stages_of_the_space_count(monkeypatch):
    sites = (Site("1.0", 1, LAST), Site("2.0", 2, RESIDUAL))
    monkeypatch.setattr(build, "sites", lambda _: sites)
    assert fit_positions.fitted(experiment(stages=[2])).space.position == ("pre_addition", "post_addition")


def test_a_run_goes_on_with_the_positions_that_it_began_with(offering):
    offering([STRIDED])
    begun = fit_positions.fitted(experiment())
    kept = Experiment.from_dict({**begun.to_dict(), "name": "search"})  # as the config of its folder says it
    offering([LAST])
    assert fit_positions.as_begun(experiment(), kept).space == begun.space
    assert fit_positions.fitted(kept) is kept
