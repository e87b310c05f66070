"""The place ``mid`` of a branch: behind the norm and the activation of its first convolution that sees neighbours.

In bottlenecks and inverted residuals this is the 3x3 or the depthwise convolution, as in RegNet (arXiv 2003.13678).
Without an activation behind the convolution there is no such place (ConvNeXt, arXiv 2201.03545).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import fx, nn

from senet_nas.network.surgery import layer_kinds as kinds
from senet_nas.network.surgery.flow import Flow
from senet_nas.network.surgery.layer_kinds import Layers
from senet_nas.network.surgery.tracing import Untraceable


@dataclass(frozen=True)
class Middle:
    """The node behind which the place is, or the child to open because the place is inside of it."""

    node: fx.Node | None = None
    to_open: str = ""


@dataclass
class _Walk:
    """``seen``: a spatial convolution, with no more than norms behind it. ``place``: behind its activation.

    ``is_over``: more weights follow the place, so that it lies inside the branch.
    """

    seen: bool = False
    place: fx.Node | None = None
    to_open: str = ""
    is_over: bool = False


def middle(layers: Layers, module: nn.Module, trunk: Iterable[fx.Node]) -> Middle:
    """The place along the nodes that every path through a branch passes."""
    walk = _walked(layers, module, trunk)
    if walk.to_open:
        return Middle(to_open=walk.to_open)
    return Middle(walk.place if walk.is_over else None)


def _walked(layers: Layers, module: nn.Module, trunk: Iterable[fx.Node]) -> _Walk:
    walk = _Walk()
    for node in trunk:
        layer = kinds.called(module, node)
        if layers.weights(module, [node]):
            walk.is_over = walk.place is not None
            if not walk.is_over:
                _weigh(layers, walk, node, layer)
            if walk.is_over or walk.to_open:
                return walk
        elif walk.seen and kinds.is_active_node(layers, module, node):
            walk.place = node
            walk.seen = False
        elif layer is None or not (kinds.is_norm(layer) or kinds.is_drop(layer)):
            walk.seen = False
        elif walk.seen and layers.activates(layer):  # a norm with its activation
            walk.place = node
            walk.seen = False
    return walk


def _weigh(layers: Layers, walk: _Walk, node: fx.Node, layer: nn.Module | None) -> None:
    """What a node with weights changes: it is a convolution, or a module that ends in one, or that holds the place."""
    if layer is None or kinds.is_spatial(layer):
        walk.seen = layer is not None
        if layer is not None and layers.activates(layer):
            walk.place, walk.seen = node, False
        return
    walk.seen = False
    if list(layer.children()):
        inner = _inside(layers, layer)
        walk.seen = inner.seen
        if inner.is_over or inner.to_open:
            walk.to_open = str(node.target)
        elif inner.place is not None:
            walk.place = node


def _inside(layers: Layers, layer: nn.Module) -> _Walk:
    try:
        flow = Flow(layers.graph(layer))
    except Untraceable:
        return _Walk()
    (output,) = (node for node in flow.nodes if node.op == "output")
    return _walked(layers, layer, (node for node in flow.trunk(None, output) if node.op != "output"))
