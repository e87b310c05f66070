"""A shared network: the plain network with every SE of a space beside it. Each step trains one path through it.

Single-path one-shot (Guo et al., ECCV 2020, arXiv 1904.00420). A path is an architecture: its SE blocks stand in their
slots during a pass, so outputs and gradients are those of the architecture's own network with the same weights, bit for
bit, for every backbone and operator. A step costs what it costs in that network.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from senet_nas.network import warm_start
from senet_nas.network.build import build, initialise, units
from senet_nas.network.operators import GATES
from senet_nas.network.parts import Image
from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation, slot_name
from senet_nas.network.surgery import meta_run
from senet_nas.recipe import stable_hash
from spaces import SE, Architecture


class SharedNetwork(nn.Module):
    """Images (N, C, *spatial) -> logits (N, K) of the architecture ``path``, plain at first.

    In training mode, each pass draws its path from the ``architectures``, by :meth:`seed_paths`. The names in the state
    dict do not depend on the path.
    """

    def __init__(self, network: nn.Module, architectures: Sequence[Architecture]) -> None:
        """``network`` is the plain network with empty slots. SE blocks are added without initial weights."""
        super().__init__()
        self.network = network
        self.blocks = nn.ModuleDict()
        self.path = Architecture.plain(architectures[0].backbone, len(architectures[0].blocks))
        self._architectures = tuple(architectures)
        self._random = random.Random(0)
        for site, (_, _, unit) in enumerate(units(network)):
            for se in sorted({a.blocks[site] for a in architectures} - {None}, key=str):
                assert se is not None
                slot = unit.get_submodule(slot_name(unit, se.position))
                assert isinstance(slot, Slot)
                self.blocks[_name(site, se)] = SqueezeExcitation(slot.channels, se, meta_run.dimensions(network))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.path = self._random.choice(self._architectures)
        with self._in_place():
            logits: Tensor = self.network(x)
        return logits

    def seed_paths(self, seed: int) -> None:
        """From here on, the paths in training mode follow from ``seed``."""
        self._random = random.Random(seed)

    def placed(self) -> Iterator[tuple[str, str, SE]]:
        """For every SE: the name in ``blocks``, and the path that its block has in a network of its own."""
        paths = {module: path for path, module in self.network.named_modules()}
        for site, (_, _, unit) in enumerate(units(self.network)):
            for se in {a.blocks[site]: None for a in self._architectures}:
                if se is not None:
                    yield _name(site, se), f"{paths[unit]}.{slot_name(unit, se.position)}".lstrip("."), se

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """Puts the SE blocks of the path into their slots, and takes them out again."""
        emptied: list[tuple[nn.Module, str, nn.Module]] = []
        try:
            for site, (_, _, unit) in enumerate(units(self.network)):
                se = self.path.blocks[site]
                if se is not None:
                    name = slot_name(unit, se.position)
                    emptied.append((unit, name, unit.get_submodule(name)))
                    setattr(unit, name, self.blocks[_name(site, se)])
            yield
        finally:
            for unit, name, slot in emptied:
                setattr(unit, name, slot)


class Scaled(nn.Module):
    """y = factor * block(x)."""

    def __init__(self, block: SqueezeExcitation, factor: float) -> None:
        super().__init__()
        self.block = block
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x) * self.factor
        return y


def build_shared(
    architectures: Sequence[Architecture],
    *,
    in_channels: int = 3,
    num_classes: int = 1000,
    block_seed: int = 0,
    init: str = "scratch",
    weights: str | None = None,
    image: Image = (),
) -> SharedNetwork:
    """The shared network of architectures of one backbone, on the CPU.

    Each path starts with the weights of its own network from this block. For ``init`` see
    :mod:`senet_nas.network.warm_start`; where a network of its own doubles the layer before an SE, the output of the SE
    is doubled here, because other paths share that layer. Pretrained weights need the shape of an ``image``; they come
    from the file ``weights`` if it is given. Raises UserError.
    """
    plain = Architecture.plain(architectures[0].backbone, len(architectures[0].blocks))
    network = build(plain, in_channels=in_channels, num_classes=num_classes, block_seed=block_seed)
    with torch.device("meta"):
        shared = SharedNetwork(network, architectures)
    for name, path, _ in shared.placed():
        initialise(shared.blocks[name].to_empty(device="cpu"), block_seed, path)
    if init == "pretrained":
        warm_start.load(
            network, warm_start.pretrained_weights(plain.backbone, weights), image, is_file=weights is not None
        )
    if init != "scratch":
        _start_as_identity(shared)
    return shared


def path_seed(seed: object, epoch: int) -> int:
    """The seed of the paths of an epoch, for :meth:`SharedNetwork.seed_paths`."""
    return stable_hash(seed, "paths", epoch)


# -- inside -----------------------------------------------------------------------------------------------------------


def _name(site: int, se: SE) -> str:
    """Names of modules hold no dot."""
    return f"{site} {se}".replace(".", "_")


def _start_as_identity(shared: SharedNetwork) -> None:
    for name, _, se in shared.placed():
        block = shared.blocks[name]
        assert isinstance(block, SqueezeExcitation)
        warm_start.silence(block)
        if GATES[se.gate].one is None:
            shared.blocks[name] = Scaled(block, 1 / warm_start.at_rest(block))
