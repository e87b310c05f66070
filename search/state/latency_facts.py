"""What a ledger notes about the latencies of a run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The latency that is timed as the section of that name says. Its facts stand where older versions left them.
OWN_LATENCY = "latency"


@dataclass(frozen=True)
class LatencyModelFact:
    """The fitted :class:`~senet_nas.costs.latency_model.LatencyModel`, and the machine that it was measured on."""

    stages: tuple[int, ...]
    weights: Mapping[str, float]
    plain_ms: float
    error: float
    tau: float
    n: int
    measured_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class LatencyFact:
    """A further latency: the model of it, what was measured of reported architectures, and where that was.

    ``figures`` has columns of a point by architecture (``a3``), and ``refused`` why the runtime cannot run one.
    ``drops``: in INT8, the points of accuracy that an architecture loses, with their interval, on how many ``images``.
    """

    model: LatencyModelFact
    figures: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    measured_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    drops: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether an architecture (``a3``) was measured, or refused by the runtime."""
        return name in self.figures or name in self.refused
