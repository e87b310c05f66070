"""Positions and gates that fit the units of a network, if the config names none.

What units offer is known once the network is built: inverted residuals that stride offer no ``pre_addition``, for
example, so with the usual default the space would be refused.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from search.config import Experiment
from search.config.fitting_defaults import IDENTITY_GATE, IDENTITY_POSITION, has_fine_rate
from senet_nas.network.backbones.table import is_own
from spaces.spec import Position, Site, SpaceSpec

_NAMED = (None, "auto")
_USUAL_GATE = ("sigmoid",)


def fitted(experiment: Experiment) -> Experiment:
    """The experiment with positions that its units offer. Raises UserError if the network cannot be built.

    The usual positions if all units offer them, else one that all offer. If there is none, the units that offer the
    most common position are the sites. SE that starts as the identity gets a gate that can do so everywhere.
    """
    if _has_free_positions(experiment):
        from senet_nas.network import build

        experiment = replace(experiment, space=_fit(experiment, build.sites(experiment.model.network)))
    if _has_free_gate(experiment) and experiment.space.position == (IDENTITY_POSITION,):
        from senet_nas.network import warm_start

        if not warm_start.can_double(experiment.model.network):
            experiment = replace(experiment, space=replace(experiment.space, gate=(IDENTITY_GATE,)))
    return experiment


def as_begun(experiment: Experiment, begun: Experiment) -> Experiment:
    """The experiment with the settings that were chosen for its run when it began."""
    space = experiment.space
    chosen = begun.space
    if _has_free_positions(experiment):
        space = replace(space, position=chosen.position, sites=chosen.sites, gate=chosen.gate)
    if _has_free_gate(experiment):
        space = replace(space, gate=chosen.gate)
    train = experiment.train
    if has_fine_rate(experiment.document.tree):
        written = experiment.document.tree.get("train") or {}
        free = {name: getattr(begun.train, name) for name in ("lr", "warmup") if name not in written}
        train = replace(train, **free)
    return replace(experiment, space=space, train=train)


def _has_free_positions(experiment: Experiment) -> bool:
    """Whether positions are left to us, and the units of a network that is built here decide them."""
    if "position" in _written(experiment):
        return False
    if is_own(experiment.model.backbone):
        return experiment.model.sites in _NAMED
    return not experiment.evaluate.startswith("table:")


def _has_free_gate(experiment: Experiment) -> bool:
    """Whether a gate is left to us that must be able to start as the identity."""
    is_trained = experiment.model.init != "scratch" and not experiment.evaluate.startswith("table:")
    return is_trained and "gate" not in _written(experiment)


def _written(experiment: Experiment) -> dict[str, object]:
    """The section ``space`` as it is written in the config."""
    tree = experiment.document.tree
    space = tree.get("space") if isinstance(tree, dict) else None
    return space if isinstance(space, dict) else {}


def _fit(experiment: Experiment, sites: Sequence[Site]) -> SpaceSpec:
    space = experiment.space
    allowed = [site for site in sites if space.sites is None or site.name in space.sites]
    allowed = [site for site in allowed if space.stages is None or site.stage in space.stages]
    if not allowed or all(name in site.channels for site in allowed for name in space.position):
        return space
    counts = {name: sum(name in site.channels for site in allowed) for site in allowed for name in site.channels}
    best = max(counts, key=lambda name: (counts[name], name == IDENTITY_POSITION))
    space = replace(space, position=(cast(Position, best),))
    if counts[best] < len(allowed):
        space = replace(space, sites=tuple(site.name for site in allowed if best in site.channels))
    is_identity = experiment.model.init != "scratch" and "gate" not in _written(experiment)
    return replace(space, gate=(IDENTITY_GATE,)) if is_identity and best != IDENTITY_POSITION else space
