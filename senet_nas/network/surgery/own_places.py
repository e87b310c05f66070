"""Places that a network itself gives to attention: where a unit has some of its own, SE may stand as well."""

from collections.abc import Iterable

from torch import fx, nn

from senet_nas.network.squeeze_excitation import OUTPUT
from senet_nas.network.surgery.attention import Marker
from senet_nas.network.surgery.flow import Flow
from senet_nas.network.surgery.layer_kinds import Layers, before_drops, called
from senet_nas.network.surgery.plans import Edit


def own_place(
    layers: Layers, module: nn.Module, flow: Flow, start: fx.Node | None, end: fx.Node, known: Iterable[fx.Node]
) -> dict[str, Edit]:
    """The place of the first attention that every path from ``start`` to ``end`` passes.

    It is the ``mid`` of a unit if weights follow it, as in GhostNet (arXiv 1911.11907), else its ``pre_addition``.
    Empty without one, or if it stands behind a node that is ``known`` as a place.
    """
    places = {before_drops(module, node) for node in known}
    for node in flow.trunk(start, end):
        if is_ours(module, node):
            if before_drops(module, node) in places:
                return {}
            follows = layers.weights(module, flow.between(node, end))
            position = "mid" if follows else "pre_addition"
            return {position: Edit(node.all_input_nodes[0].name, (node.name,))}
    return {}


def own_place_before(layers: Layers, module: nn.Module, flow: Flow, fork: fx.Node) -> dict[str, Edit]:
    """The place of attention between other layers of a module and the unit behind them.

    RepViT has it (arXiv 2307.09283). It is the ``output`` of these layers. Empty without one.
    """
    passed: list[fx.Node] = []
    for node in flow.trunk(None, fork):
        if is_ours(module, node) and layers.weights(module, passed):
            return {OUTPUT: Edit(node.all_input_nodes[0].name, (node.name,))}
        passed.append(node)
    return {}


def ends_in_attention(module: nn.Module, graph: fx.Graph) -> bool:
    """Whether a module returns what an attention in it returns, as the blocks of VoVNet do (arXiv 1911.06667)."""
    (output,) = (node for node in graph.nodes if node.op == "output")
    value = output.args[0]
    while isinstance(value, fx.Node):
        if is_ours(module, value):
            return True
        before = before_drops(module, value, steps=1)
        if before is value:
            return False
        value = before
    return False


def is_ours(module: nn.Module, node: fx.Node) -> bool:
    """Whether a node calls attention that a block of ours can stand for."""
    layer = called(module, node)
    return isinstance(layer, Marker) and layer.has_block
