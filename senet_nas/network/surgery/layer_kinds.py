"""What layers do, as far as the search for units needs it: they weigh, normalise, activate, or only drop."""

from collections.abc import Collection, Iterable

from torch import fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from senet_nas.network.surgery.calls import Call, Calls
from senet_nas.network.surgery.flow import name_of
from senet_nas.network.surgery.tracing import IN_CHILD, Untraceable, check_modes, traced

_ACTIVATIONS = ("torch.nn.modules.activation", "timm.layers.activations", "timm.layers.activations_me")
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm)
# Functions and methods that are not linear, by name.
_ACTIVE = {
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "glu", "swish"),
    *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "softplus", "softsign", "tanhshrink", "threshold"),
    *("softmax", "log_softmax", "scaled_dot_product_attention"),
}
_WEIGHING = {"conv1d", "conv2d", "conv3d", "linear", "scaled_dot_product_attention"}


class Layers:
    """The modules of one network, looked at. Each graph is traced once; it is not to be changed."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._graphs: dict[tuple[nn.Module, frozenset[str]], fx.Graph | Untraceable] = {}
        self._active: dict[nn.Module, bool] = {}

    def graph(self, module: nn.Module, opened: Collection[str] = ()) -> fx.Graph:
        """The graph of a module, see :func:`traced`. Raises Untraceable."""
        key = (module, frozenset(opened))
        if key not in self._graphs:
            try:
                self._graphs[key] = self._traced(module, opened)
            except Untraceable as error:
                self._graphs[key] = error
        found = self._graphs[key]
        if isinstance(found, Untraceable):
            raise found
        return found

    def _traced(self, module: nn.Module, opened: Collection[str]) -> fx.Graph:
        graph = traced(module, opened, self.call(module))
        ran = self._calls.inner.get(module)
        if not opened and ran is not None and ran != {called(module, node) for node in graph.nodes} - {None}:
            raise Untraceable(f"its forward asks what kind of thing it is given (`isinstance`); {IN_CHILD}")
        return graph

    def check_modes(self, module: nn.Module, opened: Collection[str]) -> None:
        """Raises Untraceable if a module computes something else in training."""
        check_modes(module, opened, self.call(module), self.graph(module, opened))

    def call(self, module: nn.Module) -> Call:
        """How a module is called. Raises Untraceable if two calls have other constants."""
        found = self._calls.given.get(module, Call())
        if found is None:
            raise Untraceable("it is called with other arguments in other places")
        return found

    def takes_one(self, module: nn.Module) -> bool:
        """Whether each call of a module gives it one tensor and nothing else."""
        found = self._calls.given.get(module)
        return found is not None and found.is_single

    def weights(self, module: nn.Module, nodes: Iterable[fx.Node]) -> int:
        """The number of weight layers that nodes of the graph of a module call."""
        return sum(n_weights(called(module, node)) or int(name_of(node) in _WEIGHING) for node in nodes)

    def learned(self, module: nn.Module, nodes: Collection[fx.Node]) -> tuple[int, int]:
        """The numbers of weight layers and of norms that nodes of the graph of a module call."""
        norms = sum(is_norm(part) for node in nodes for part in _parts(called(module, node)))
        return self.weights(module, nodes), norms

    def is_active(self, module: nn.Module, nodes: Iterable[fx.Node]) -> bool:
        """Whether nodes of the graph of a module activate."""
        return any(name_of(node) in _ACTIVE or self.activates(called(module, node)) for node in nodes)

    def activates(self, module: nn.Module | None) -> bool:
        """Whether a module contains an activation; one of an unknown kind without a graph counts as one."""
        if module is None:
            return False
        if module not in self._active:
            self._active[module] = any(self._activates_itself(part) for part in module.modules())
        return self._active[module]

    def _activates_itself(self, part: nn.Module) -> bool:
        home = type(part).__module__
        if home.startswith(_ACTIVATIONS):
            return True
        if home.startswith("torch.nn.") or is_norm(part) or is_drop(part) or isinstance(part, _ConvNd | nn.Linear):
            return False
        try:
            return any(name_of(node) in _ACTIVE for node in self.graph(part).nodes)
        except Untraceable:
            return not n_weights(part) and not list(part.children())


def called(module: nn.Module, node: fx.Node) -> nn.Module | None:
    """The child that a node of the graph of a module calls."""
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def n_weights(module: nn.Module | None) -> int:
    """The number of weight layers in a module, itself included."""
    return sum(is_weight(part) for part in _parts(module))


def _parts(module: nn.Module | None) -> Iterable[nn.Module]:
    return module.modules() if module is not None else ()


def is_weight(module: nn.Module) -> bool:
    """Whether a layer multiplies by a matrix of weights."""
    return isinstance(module, _ConvNd | nn.Linear | nn.Bilinear | nn.MultiheadAttention)


def has_own_forward(module: nn.Module) -> bool:
    """Whether this is a module with layers in it and a ``forward`` that torch does not give."""
    is_torchs = type(module).forward.__module__.startswith("torch.nn.")
    return bool(list(module.children())) and not is_torchs and "forward" not in vars(module)


def n_convolutions(module: nn.Module) -> int:
    return sum(is_convolution(part) for part in module.modules())


def is_convolution(module: nn.Module | None) -> bool:
    return isinstance(module, _ConvNd)


def is_spatial(module: nn.Module) -> bool:
    """Whether this is a convolution that looks at neighbours: 3x3, depthwise, 1x7, ..."""
    return isinstance(module, _ConvNd) and any(size > 1 for size in module.kernel_size)


def is_norm(module: nn.Module) -> bool:
    """Whether this layer normalises: a class of torch's, one derived from it, or one without children that says so."""
    if isinstance(module, _NORMS):
        return True
    return "norm" in type(module).__name__.lower() and not list(module.children())


def is_drop(module: nn.Module) -> bool:
    """Whether a layer is there for training only, or for nothing: dropout, stochastic depth, Identity."""
    name = type(module).__name__.lower()
    is_named = "drop" in name or "stochasticdepth" in name
    return isinstance(module, nn.Identity) or (is_named and not n_weights(module))


def is_drop_node(module: nn.Module, node: fx.Node) -> bool:
    """Whether a node calls such a layer, or torch's function."""
    layer = called(module, node)
    return name_of(node) == "dropout" or (layer is not None and is_drop(layer))


def before_drops(module: nn.Module, node: fx.Node, steps: int | None = None) -> fx.Node:
    """The node before all that only drops, or that stands for an attention; at most ``steps`` back."""
    while steps != 0 and is_drop_node(module, node) and len(node.all_input_nodes) == 1:
        (node,) = node.all_input_nodes
        steps = None if steps is None else steps - 1
    return node


def is_active_node(layers: Layers, module: nn.Module, node: fx.Node) -> bool:
    """Whether a node activates and does nothing else."""
    layer = called(module, node)
    if layer is None:
        return name_of(node) in _ACTIVE and not layers.weights(module, [node])
    return layers.activates(layer) and not n_weights(layer) and not is_norm(layer)
