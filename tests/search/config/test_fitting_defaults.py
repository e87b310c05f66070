"""Settings that are left out fit those that are written (faults 9 and 10)."""

import pytest

from search.config import ConfigError, Experiment
from search.config.fitting_defaults import fitted
from senet_nas.network import warm_start
from senet_nas.network.build import sites
from spaces import Space


def space(model, **written):
    tree = {"data": "digits", "model": model, **({"space": written} if written else {})}
    return Experiment.from_dict(tree).space


def test_named_sites_of_an_own_network_offer_their_output_and_that_is_the_default():
    assert space({"backbone": "mine:net", "sites": ["layer*.*.bn2"]}).position == ("output",)
    assert space({"backbone": "mine:net"}).position == ("pre_addition", "post_addition")
    assert space({"backbone": "cifar_resnet8"}).position == ("pre_addition", "post_addition")


@pytest.mark.parametrize("init", ["identity", "pretrained"])
def test_a_start_as_the_identity_has_a_default_space_that_allows_it(init):
    chosen = space({"backbone": "resnet18", "init": init})
    assert (chosen.position, chosen.gate) == (("pre_addition",), ("sigmoid",))
    own = space({"backbone": "mine:net", "sites": ["a"], "init": init})
    assert (own.position, own.gate) == (("output",), ("sigmoid2",))
    inside = space({"backbone": "resnet18", "init": init}, position=["mid"])
    assert (inside.position, inside.gate) == (("mid",), ("sigmoid2",))


def test_the_default_space_passes_the_check_of_a_warm_start():
    chosen = space({"backbone": "cifar_resnet8", "init": "identity"})
    warm_start.check(Space("cifar_resnet8", sites("cifar_resnet8"), chosen), "identity", (1, 8, 8), 10)


def test_what_is_written_stays():
    chosen = space({"backbone": "resnet18", "init": "identity"}, position=["mid"], gate=["sigmoid"])
    assert (chosen.position, chosen.gate) == (("mid",), ("sigmoid",))
    assert space({"backbone": "mine:net", "sites": ["a"]}, position=["mid"]).position == ("mid",)


@pytest.mark.parametrize("tree", [{}, {"model": 3}, {"model": {"backbone": 3, "sites": 4}}, {"model": {}, "space": []}])
def test_a_config_with_mistakes_is_left_to_the_checks(tree):
    assert fitted(tree) == tree


def test_a_resolved_config_says_the_same_again():
    tree = {"data": "digits", "model": {"backbone": "resnet18", "init": "pretrained"}}
    experiment = Experiment.from_dict(tree)
    assert Experiment.from_dict(experiment.to_dict()) == experiment


def test_a_file_of_weights_is_a_start_from_them():
    tree = {"data": "digits", "model": {"backbone": "resnet18", "weights": "w.pth"}}
    chosen = Experiment.from_dict(tree)
    assert chosen.model.init == "pretrained"
    assert chosen.space.position == ("pre_addition",)
    with pytest.raises(ConfigError, match="applies only to init: pretrained"):
        Experiment.from_dict({**tree, "model": {**tree["model"], "init": "scratch"}})
