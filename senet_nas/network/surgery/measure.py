"""What passes through the slots of a network: their channels, and whether SE can act there."""

from dataclasses import dataclass, field

import torch
from torch import nn

from senet_nas.network.squeeze_excitation import Slot
from senet_nas.network.surgery import meta_run
from spaces.text import plural


@dataclass
class Passed:
    """The shapes that passed through one slot in a run, and after how many other slots the first came."""

    order: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def channels(self) -> int:
        return self.shapes[0][1]

    @property
    def sides(self) -> tuple[int, ...]:
        return self.shapes[0][2:]


@dataclass(frozen=True)
class Measured:
    """Of each slot, by its path: what passed, or why it is no place for SE."""

    passed: dict[str, Passed]
    faults: dict[str, str]


def measure(made: nn.Module, shadow: nn.Module, in_channels: int) -> Measured:
    """Runs a network on the meta device, on inputs of two shapes if it takes them. ``made`` has the values.

    Raises UserError if it cannot be run.
    """
    slots = [path for path, module in shadow.named_modules() if isinstance(module, Slot)]
    if not slots:
        return Measured({}, {})
    tried = list(meta_run.shapes(shadow, in_channels))
    runs = ((shape, _run(shadow, shape)) for shape in tried)
    shape, passed = next((run for run in runs if run[1] is not None), ((), None))
    if passed is None:
        raise meta_run.explained(made, shadow, tried)
    other = _run(shadow, (*shape[:2], *(side + 32 * (place + 1) for place, side in enumerate(shape[2:]))))
    sizes = meta_run.dimensions(shadow)
    faults = {path: _fault(passed[path], other[path] if other else None, sizes) for path in slots}
    return Measured(passed, {path: fault for path, fault in faults.items() if fault})


def _run(shadow: nn.Module, shape: tuple[int, ...]) -> dict[str, Passed] | None:
    """What passed; None if the run fails before a slot that is used. One that fails behind all slots will do.

    A layer for one size fails so. A network that cannot run at all is refused when it is tried on the data.
    """
    slots = {path: module for path, module in shadow.named_modules() if isinstance(module, Slot)}
    passed = {path: Passed() for path in slots}
    handles = []
    for path, slot in slots.items():

        def note(_module: nn.Module, inputs: tuple[torch.Tensor, ...], path: str = path) -> None:
            if not passed[path].shapes:
                passed[path].order = sum(bool(other.shapes) for other in passed.values())
            passed[path].shapes.append(tuple(getattr(inputs[0], "shape", ())))

        handles.append(slot.register_forward_pre_hook(note))
    problem = meta_run.error(shadow, shape)
    for handle in handles:
        handle.remove()
    is_through = problem is None or all(found.shapes for found in passed.values())
    return passed if is_through else None


def _fault(passed: Passed, other: Passed | None, dimensions: int) -> str:
    """Why SE cannot act on what passed; empty if it can. ``other`` is from an input of another shape."""
    if not passed.shapes:
        return "is not called"
    if len(passed.shapes) > 1:
        return f"is called {plural(len(passed.shapes), 'time')} in a forward pass"
    shape = passed.shapes[0]
    if not shape:
        return "is not one tensor"
    if len(shape) != dimensions + 2:
        return f"has {plural(len(shape), 'dimension')} where its convolutions have {dimensions + 2}"
    is_kept = other.shapes[0][1] == shape[1] if other and other.shapes else len(set(shape[2:])) == 1
    return "" if is_kept else "does not have its channels second"
