"""A superset: one network that can be every architecture of a space, so one graph, capture or vmap serves them all.

Each site holds one padded SE for each position that any architecture uses there. It computes every squeeze, excitation
and gate that may act there, and factors of 0 and 1 choose one of each. An excitation has the widest layers; masks leave
the part that a narrower one has. An SE that is switched off multiplies by exactly 1.

After :func:`load_weights` the superset computes the same as the architecture's own network, forwards and backwards, up
to the rounding of longer sums; weights outside the masks get no gradient. The price is the work for all other choices.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from senet_nas.network.build import skeleton, units
from senet_nas.network.operators import EXCITATIONS
from senet_nas.network.squeeze_excitation import Gate, Slot, Squeeze, position_of, slot_name
from spaces import SE, Architecture

# Forms whose layers are those of another with a part of them masked.
WITHIN = {"fcnb": "fc"}
State = dict[str, Tensor]


def superset(
    backbone: str, options: Sequence[Iterable[SE]], *, in_channels: int = 3, num_classes: int = 1000
) -> nn.Module:
    """The network of a backbone with all ``options`` at each site, on the CPU, not initialised.

    :func:`load_weights` makes it an architecture.
    """
    network = skeleton(backbone, in_channels, num_classes)
    for (_, _, unit), blocks in zip(units(network), options, strict=True):
        for position, found in itertools.groupby(sorted(set(blocks), key=_by_position), key=_by_position):
            with torch.device("meta"):
                unit.add_module(slot_name(unit, position), PaddedSE(_slot(unit, position).channels, [*found]))
    return network.to_empty(device="cpu")


def options(architectures: Iterable[Architecture]) -> list[set[SE]]:
    """The different SE at each site over all these architectures of one backbone."""
    return [{se for se in found if se is not None} for found in zip(*(a.blocks for a in architectures), strict=True)]


def load_weights(network: nn.Module, architecture: Architecture, state: Mapping[str, Tensor]) -> nn.Module:
    """The superset itself, switched to an architecture.

    ``state`` is the state dict of the architecture's own network.
    """
    own = dict(state)
    with torch.no_grad():
        for path, block, se in _blocks(network, architecture):
            block.switch(se)
            for name, view in block.views(se) if se is not None else ():
                view.copy_(own.pop(f"{path}.{name}"))
    kept = {name: tensor for name, tensor in network.state_dict().items() if not _is_padded(name, network)}
    assert kept.keys() == own.keys(), f"these are not the weights of {architecture}"
    network.load_state_dict(own, strict=False)
    return network


def extract_weights(network: nn.Module, architecture: Architecture) -> State:
    """The state dict of the architecture's own network, from a superset that is switched to it."""
    found = {name: tensor for name, tensor in network.state_dict().items() if not _is_padded(name, network)}
    for path, block, se in _blocks(network, architecture):
        if se is not None:
            found |= {f"{path}.{name}": view.detach().clone() for name, view in block.views(se)}
    return found


class PaddedSE(nn.Module):
    """y = x * (on * gate(excitation(squeeze(x))) + 1 - on), the three chosen by buffers from what ``blocks`` name."""

    on: Tensor
    squeeze_chosen: Tensor
    excitation_chosen: Tensor
    gate_chosen: Tensor

    def __init__(self, channels: int, blocks: Sequence[SE]) -> None:
        super().__init__()
        forms = {_form(se): max(b.size for b in blocks if _form(b) == _form(se)) for se in blocks}
        self.squeezes = nn.ModuleDict({name: Squeeze(name, channels) for name in sorted({se.squeeze for se in blocks})})
        self.excitations = nn.ModuleDict(
            {form: PaddedExcitation(form, channels, forms[form]) for form in sorted(forms)}
        )
        self.gates = nn.ModuleDict({name: Gate(name) for name in sorted({se.gate for se in blocks})})
        self.register_buffer("on", torch.zeros(()))
        for part in ("squeeze", "excitation", "gate"):
            self.register_buffer(f"{part}_chosen", torch.zeros(len(getattr(self, f"{part}s"))))

    def forward(self, x: Tensor) -> Tensor:
        z_NC = _chosen(self.squeeze_chosen, [squeeze(x) for squeeze in self.squeezes.values()])
        s_NC = _chosen(self.excitation_chosen, [excite(z_NC) for excite in self.excitations.values()])
        gate_NC = _chosen(self.gate_chosen, [gate(s_NC) for gate in self.gates.values()])
        factor_NC = self.on * gate_NC + (1 - self.on)
        return (x.flatten(2) * factor_NC.unsqueeze(2)).reshape_as(x)

    def switch(self, se: SE | None) -> None:
        """Become ``se``, or nothing; weights outside it become zero."""
        names = ("", "", "") if se is None else (se.squeeze, _form(se), se.gate)
        self.on.fill_(se is not None)
        for part, name in zip(("squeeze", "excitation", "gate"), names, strict=True):
            values = [float(name == known) for known in getattr(self, f"{part}s")]
            getattr(self, f"{part}_chosen").copy_(torch.tensor(values))
        for parameter in self.parameters():
            parameter.zero_()
        for form, excitation in self.excitations.items():
            excitation.switch(se if se is not None and form == _form(se) else None)  # type: ignore[operator]

    def views(self, se: SE) -> Iterator[tuple[str, Tensor]]:
        """The parameters of ``se`` by the names of a block of its own, each a view into the padded one."""
        for name, parameter in self.squeezes[se.squeeze].named_parameters():
            yield f"squeeze.{name}", parameter
        yield from self.excitations[_form(se)].views(se)  # type: ignore[operator]


class PaddedExcitation(nn.Module):
    """EXCITATIONS[form] with its widest layers, each parameter times a mask of its own."""

    def __init__(self, form: str, channels: int, size: int) -> None:
        super().__init__()
        self._channels = channels
        self._excite = EXCITATIONS[form].function
        self.layers = nn.ModuleDict(EXCITATIONS[form].layers(channels, size))
        for name, parameter in self.layers.named_parameters():
            self.register_buffer(_mask(name), torch.zeros_like(parameter))

    def forward(self, z_NC: Tensor) -> Tensor:
        return self._excite(z_NC, *(self._layer(name) for name in self.layers))

    def _layer(self, name: str) -> "_Masked":
        layer = self.layers[name]
        return _Masked(layer, {own: p * getattr(self, _mask(f"{name}.{own}")) for own, p in layer.named_parameters()})

    def switch(self, se: SE | None) -> None:
        for name, _ in self.layers.named_parameters():
            getattr(self, _mask(name)).zero_()
        for name, window in self._windows(se) if se is not None else ():
            getattr(self, _mask(name))[window] = 1

    def views(self, se: SE) -> Iterator[tuple[str, Tensor]]:
        padded = dict(self.layers.named_parameters())
        return ((name, padded[name][window]) for name, window in self._windows(se))

    def _windows(self, se: SE) -> Iterator[tuple[str, tuple[slice, ...]]]:
        """Where in each padded parameter that of ``se`` lies: kernels in the middle, rows and columns at the start."""
        padded = dict(self.layers.named_parameters())
        with torch.device("meta"):
            own = EXCITATIONS[se.form].layers(self._channels, se.size)
        for layer, module in own.items():
            for name, parameter in module.named_parameters():
                sizes = zip(padded[f"{layer}.{name}"].shape, parameter.shape, strict=True)
                centred = isinstance(module, nn.Conv1d)
                starts = [((most - size) // 2 if centred else 0, size) for most, size in sizes]
                yield f"{layer}.{name}", tuple(slice(start, start + size) for start, size in starts)


class _Masked:
    """A layer as a function with ``parameters`` in place of its own."""

    def __init__(self, layer: nn.Module, parameters: State) -> None:
        self._layer = layer
        self._parameters = parameters

    def __call__(self, z: Tensor) -> Tensor:
        y: Tensor = functional_call(self._layer, self._parameters, (z,))
        return y


# -- inside -----------------------------------------------------------------------------------------------------------


def _chosen(chosen_K: Tensor, values: list[Tensor]) -> Tensor:
    """The one value whose factor is 1: sums with zeros round nothing."""
    found = [factor * value for factor, value in zip(chosen_K.unbind(), values, strict=True)]
    return sum(found[1:], start=found[0])


def _blocks(network: nn.Module, architecture: Architecture) -> Iterator[tuple[str, PaddedSE, SE | None]]:
    """Path and module of every padded block, and what an architecture has there."""
    paths = {module: path for path, module in network.named_modules()}
    for (_, _, unit), se in zip(units(network), architecture.blocks, strict=True):
        children = ((name, child) for name, child in unit.named_children() if isinstance(child, PaddedSE))
        held = {position_of(unit, name): child for name, child in children}
        assert se is None or se.position in held, f"the superset holds no {se}"
        for position, block in held.items():
            yield paths[block], block, se if se is not None and se.position == position else None


def _is_padded(name: str, network: nn.Module) -> bool:
    path = name.rpartition(".")[0]
    parents = itertools.accumulate(path.split("."), lambda a, b: f"{a}.{b}")
    return any(isinstance(network.get_submodule(parent), PaddedSE) for parent in parents if parent)


def _slot(unit: nn.Module, position: str) -> Slot:
    found = unit.get_submodule(slot_name(unit, position))
    assert isinstance(found, Slot)
    return found


def _mask(name: str) -> str:
    """Name of a parameter's mask: buffers' names hold no dot."""
    return f"{name.replace('.', '_')}_mask"


def _form(se: SE) -> str:
    return WITHIN.get(se.form, se.form)


def _by_position(se: SE) -> str:
    return se.position
