"""The forward of one module as a graph of torch.fx, its children as single calls."""

from collections.abc import Collection

from torch import fx, nn

from senet_nas.user_code import named

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


def traced(module: nn.Module, opened: Collection[str] = ()) -> fx.Graph:
    """The graph of a module's forward in its mode; children named in ``opened`` are part of it. Raises Untraceable."""
    had = set(vars(module))
    try:
        graph = _Shallow(opened).trace(module)
    except Exception as error:  # torch.fx calls the user's code, which may throw anything
        raise Untraceable(f"its forward cannot be traced ({named(error)})") from error
    constants = [name for name in vars(module) if name.startswith(_CONSTANT) and name not in had]
    for name in constants:
        delattr(module, name)
    if constants:
        raise Untraceable("its forward makes a tensor")
    return graph


def check_modes(module: nn.Module, opened: Collection[str], graph: fx.Graph) -> None:
    """Raises Untraceable if a module in evaluation mode computes something else in training than this graph says."""
    training = traced(module.train(), opened)
    module.eval()
    if graph.python_code("self").src != training.python_code("self").src:
        raise Untraceable("its forward is another one in training")
