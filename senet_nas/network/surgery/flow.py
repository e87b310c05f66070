"""How values flow through a graph: what every path to a node passes, and what lies between two nodes."""

import operator
from collections.abc import Mapping

from torch import fx


class Flow:
    """Dominators of a graph. What is computed from parameters alone (``get_attr``) is no source: it joins any path.

    ``same``: arguments that are the same tensor as an earlier one, by name.
    """

    def __init__(self, graph: fx.Graph, same: Mapping[str, str] | None = None) -> None:
        self.graph = graph
        self.nodes = list(graph.nodes)
        self._fixed: set[fx.Node] = set()
        self._dominators: dict[fx.Node, fx.Node | None] = {}
        self._depth: dict[fx.Node, int] = {}
        for node in self.nodes:
            inputs = [value for value in node.all_input_nodes if value not in self._fixed]
            if node.op == "get_attr" or (node.all_input_nodes and not inputs):
                self._fixed.add(node)
            above = inputs[0] if inputs else self._argument((same or {}).get(str(node.target), ""))
            for other in inputs[1:]:
                above = self.fork(above, other)
            self._dominators[node] = above
            self._depth[node] = 0 if above is None else self._depth[above] + 1

    def _argument(self, name: str) -> fx.Node | None:
        return next((node for node in self.nodes if node.op == "placeholder" and node.target == name), None)

    def fork(self, one: fx.Node | None, other: fx.Node | None) -> fx.Node | None:
        """The last node that every path to either node passes; None if they come from different inputs."""
        while one is not other:
            if one is None or other is None:
                return None
            if self._depth[one] >= self._depth[other]:
                one = self._dominators[one]
            else:
                other = self._dominators[other]
        return one

    def trunk(self, start: fx.Node | None, end: fx.Node) -> list[fx.Node]:
        """The nodes behind ``start`` that every path to ``end`` passes, ``end`` included, in order."""
        found = []
        node: fx.Node | None = end
        while node is not None and node is not start:
            found.append(node)
            node = self._dominators[node]
        return found[::-1]

    def between(self, start: fx.Node, end: fx.Node) -> set[fx.Node]:
        """All nodes on a path from ``start``, which is left out, to ``end``."""
        found: set[fx.Node] = set()
        waiting = [end]
        while waiting:
            node = waiting.pop()
            if node is not start and node not in found:
                found.add(node)
                waiting += node.all_input_nodes
        return found


def name_of(node: fx.Node) -> str:
    """The name of the function or method that a node calls, without a trailing `_`; empty for other nodes."""
    if node.op == "call_method":
        return str(node.target).rstrip("_")
    if node.op == "call_function":
        return str(getattr(node.target, "__name__", "")).rstrip("_")
    return ""


def is_part(node: fx.Node) -> bool:
    """Whether a node takes some of the channels: a chunk, or one of several tensors."""
    if name_of(node) in ("chunk", "split", "unbind", "tensor_split"):
        return True
    if node.target is not operator.getitem:
        return False
    index = node.args[1]
    takes_all = isinstance(index, tuple) and len(index) > 1 and index[1] == slice(None)
    return not takes_all
