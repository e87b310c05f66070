"""Checks of a network of the user's own before the first training: whatever is accepted here trains and exports."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.execute.evaluator import Evaluator
from search.setup import code_identity
from search.state.facts import Facts
from senet_nas import user_code
from senet_nas.network.backbones import table
from spaces.placements import baselines
from spaces.space import Space

if TYPE_CHECKING:
    from torch import nn

    from spaces.architecture import Architecture


def check_network(experiment: Experiment, space: Space, data: Any, evaluate: Evaluator) -> None:
    """Raises UserError if a network of the user's own cannot be trained on the data or exported.

    Tried with plain and with SE everywhere. A network by name needs no check. One that the user's code trains may
    return anything: it only has to run, and to use each place for SE once.
    """
    if not table.is_own(space.backbone) or not evaluate.builds_networks:
        return
    from senet_nas.network.backbones import own, own_identity, own_output
    from senet_nas.network.build import build

    target = experiment.model.backbone
    own.check_repeats(space.backbone, in_channels=data.channels, num_classes=data.num_classes)
    for architecture in baselines(space)[:2]:
        network = build(architecture, in_channels=data.channels, num_classes=data.num_classes)
        if evaluate.trains_networks:
            own_output.check(network, target, data.shape, data.num_classes)
            _check_export(network, architecture, data)
        else:
            own_output.check_run(network, target, data.shape)
        if architecture.is_plain:
            own_identity.check_plain(space.backbone, shape=data.shape, num_classes=data.num_classes)


@contextmanager
def blamed(experiment: Experiment) -> Iterator[None]:
    """Makes a UserError of what a network of the user's own throws, whenever it is run."""
    if not table.is_own(experiment.model.network) or experiment.evaluate.startswith("table:"):
        yield
        return
    with user_code.blamed(experiment.model.backbone, key=table.KEY):
        yield


def facts(experiment: Experiment, space: Space, data: Any, evaluate: Evaluator) -> Facts:
    """The identity of the user's code in an experiment: of a network that we build, and of the evaluator."""
    found = Facts()
    if evaluate.named_function is not None:
        found = Facts(evaluator_code=code_identity.of_function(*evaluate.named_function))
    if not evaluate.builds_networks:
        return found
    network = code_identity.of_network(space.backbone, len(space.sites), data.shape, data.num_classes)
    return replace(found, network_code=network)


def _check_export(network: "nn.Module", architecture: "Architecture", data: Any) -> None:
    """Raises UserError if neither Python source nor a torch.export program of the network can be written."""
    from senet_nas.export import bundle

    with tempfile.TemporaryDirectory() as folder:
        bundle.export(
            network,
            architecture,
            Path(folder) / "export",
            input_shape=tuple(data.shape),
            mean=data.mean,
            std=data.std,
            classes=data.classes,
            forms=["model.py"],
        )
