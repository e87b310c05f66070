"""What is to be done to a module so that its units have slots."""

from dataclasses import dataclass, replace

from senet_nas.network.squeeze_excitation import OUTPUT

# Behind the module as a whole, whatever is in it.
OUTSIDE = ""


@dataclass(frozen=True)
class Edit:
    """A slot behind the node ``behind`` for those of its users that are named; None for all that it has."""

    behind: str
    users: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """The places of one unit by position, in the graph of its module with the children ``opened``.

    ``branch`` names the children of the module that the branch calls.
    """

    opened: tuple[str, ...]
    edits: dict[str, Edit]
    branch: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The position of what the unit returns: without it, it is no unit."""
        return OUTPUT if OUTPUT in self.edits else "post_addition"

    @property
    def is_residual(self) -> bool:
        return self.end != OUTPUT

    def without(self, positions: set[str]) -> "Plan":
        """The plan without some positions."""
        return replace(self, edits={name: edit for name, edit in self.edits.items() if name not in positions})


# The units of each module that has some, by its path.
Plans = dict[str, list[Plan]]
BEHIND_ALL = Plan((), {OUTPUT: Edit(OUTSIDE)})
