"""How trained networks are judged in INT8, and what it means if a runtime cannot run one. Imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantised:
    """The runtime that quantises trained networks. ``is_needed``: a training whose network it refuses has failed."""

    runtime: str
    is_needed: bool = True


class Refused(Exception):
    """A network that a runtime cannot run. Its text says why."""
