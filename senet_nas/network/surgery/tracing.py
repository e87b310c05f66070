"""The forward of one module as a graph of torch.fx, its children as single calls."""

from collections.abc import Collection

from torch import fx, nn

from senet_nas.network.surgery.calls import Constants
from senet_nas.user_code import in_training, named

_CONSTANT = "_tensor_constant"


class Untraceable(Exception):
    """Why a module has no graph; the message is for people."""


class _Shallow(fx.Tracer):
    """Opens only the named children."""

    def __init__(self, opened: Collection[str]) -> None:
        super().__init__()
        self._opened = frozenset(opened)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name not in self._opened


def traced(module: nn.Module, opened: Collection[str], constants: Constants) -> fx.Graph:
    """The graph of a module's forward in its mode; children named in ``opened`` are part of it.

    ``constants`` are the arguments that have these values in every call. Raises Untraceable.
    """
    had = set(vars(module))
    try:
        graph = _Shallow(opened).trace(module, dict(constants))
    except Exception as error:  # torch.fx calls the user's code, which may throw anything
        raise Untraceable(f"its forward cannot be traced ({named(error)})") from error
    made = [name for name in vars(module) if name.startswith(_CONSTANT) and name not in had]
    for name in made:
        delattr(module, name)
    if made:
        raise Untraceable("its forward makes a tensor")
    _without_checks(graph, constants)
    return graph


def check_modes(module: nn.Module, opened: Collection[str], constants: Constants, graph: fx.Graph) -> None:
    """Raises Untraceable if a module in evaluation mode computes something else in training than this graph says."""
    training = traced(in_training(module), opened, constants)
    module.eval()
    if graph.python_code("self").src != training.python_code("self").src:
        raise Untraceable("its forward is another one in training")


def _without_checks(graph: fx.Graph, constants: Constants) -> None:
    """Gives constant arguments their names again, and removes the checks of them that torch.fx adds.

    That of a flag stays: it may be another one in training.
    """
    for node in [node for node in graph.nodes if node.op == "placeholder"]:
        name = str(node.target).rpartition("_")[0]
        if name not in constants:
            continue
        node.target = name
        if not isinstance(constants[name], bool):
            for check in [*(user for first in node.users for user in first.users), *node.users]:
                graph.erase_node(check)
