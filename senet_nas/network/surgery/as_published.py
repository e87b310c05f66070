"""Which SE a network has as it is published: of each unit the attention in it, at the position where it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import fx, nn

from senet_nas.network.squeeze_excitation import OUTPUT
from senet_nas.network.surgery.attention import Attention
from senet_nas.network.surgery.layer_kinds import Layers, before_drops
from senet_nas.network.surgery.plans import BEHIND_ALL, Plan, Plans
from spaces import SE

_ORDER = ("mid", "pre_addition", "post_addition", OUTPUT)
_NOTE = "_senet_search_published"


@dataclass(frozen=True)
class Taken:
    """The attention at ``path``, which was taken out of the unit ``unit`` of the module ``owner``."""

    path: str
    owner: str
    unit: int
    se: SE
    note: str = ""


@dataclass(frozen=True)
class Published:
    """The SE of each unit as published, and what is to be said of it: notes, and attention that stays in plain.

    ``paths`` are those of the modules that were taken out of the units; empty where nothing was.
    """

    blocks: tuple[SE | None, ...] = ()
    notes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def note_published(network: nn.Module, published: Published) -> None:
    """Keeps with a network, and with copies of it, what it has as published."""
    vars(network)[_NOTE] = published


def published_of(network: nn.Module) -> Published:
    """What was noted; nothing if nothing was."""
    found: Published = vars(network).get(_NOTE, Published())
    return found


def taken(
    shadow: nn.Module, plans: Plans, graphs: Mapping[str, fx.Graph], attention: Mapping[str, Attention]
) -> list[Taken]:
    """The attention that a block of ours can stand for, at the first of several in a unit."""
    found: list[Taken] = []
    for path, plan_list in plans.items():
        inside = {name: known for name, known in attention.items() if name.startswith(f"{path}.") or not path}
        if not inside or plan_list == [BEHIND_ALL]:
            continue
        module = shadow.get_submodule(path)
        for unit, plan in enumerate(plan_list):
            found += _first(module, graphs[path], plan, path, unit, inside)
    return found


def taken_behind(layers: Layers, shadow: nn.Module, plans: Plans, attention: Mapping[str, Attention]) -> list[Taken]:
    """The attention that follows a unit which is a single layer: it stands at the output of the unit."""
    found: list[Taken] = []
    for path in (path for path, plan_list in plans.items() if plan_list == [BEHIND_ALL]):
        above, _, name = path.rpartition(".")
        parent = shadow.get_submodule(above)
        for node in layers.graph(parent).nodes:
            known = attention.get(f"{above}.{node.target}".strip(".")) if node.op == "call_module" else None
            is_behind = known is not None and str(before_drops(parent, node).target) == name
            if known is not None and known.se is not None and is_behind:
                where = f"{above}.{node.target}".strip(".")
                found.append(Taken(where, path, 0, replace(known.se, position=OUTPUT), known.note))
    return found


def notes(attention: Mapping[str, Attention], out: Iterable[Taken]) -> tuple[str, ...]:
    """A sentence for each kind of attention: how it differs from our block, or why it stays."""
    gone = {one.path: one for one in out}
    lines: dict[str, list[str]] = {}
    for path, known in attention.items():
        if path not in gone:
            why = known.note if known.se is None else "it stands at no position of a unit"
            lines.setdefault(f"{known.kind} stays in the plain network: {why}", []).append(path)
        elif known.note:
            lines.setdefault(f"{known.kind} as published is only similar: {known.note}", []).append(path)
    return tuple(
        f"{line} ({paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''})" for line, paths in lines.items()
    )


def _first(
    module: nn.Module, graph: fx.Graph, plan: Plan, path: str, unit: int, inside: Mapping[str, Attention]
) -> list[Taken]:
    """The first attention of a unit that has a block and a position; empty without one."""
    nodes = {node.name: node for node in graph.nodes}
    ends = {
        position: before_drops(module, nodes[plan.edits[position].behind])
        for position in _ORDER
        if position in plan.edits
    }
    for node in graph.nodes:
        name = f"{path}.{node.target}".strip(".")
        known = inside.get(name) if node.op == "call_module" else None
        if known is None or known.se is None:
            continue
        before = before_drops(module, node)
        for position, end in ends.items():
            if before is end:
                return [Taken(name, path, unit, replace(known.se, position=position), known.note)]
    return []
