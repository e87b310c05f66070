"""Reduction ratios and hidden widths: the width that a ratio means, and the ratio that was asked for behind a width."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from spaces.architecture import SE, Architecture
from spaces.spec import Site, SpaceSpec, hidden_width


@dataclass(frozen=True)
class Ratios:
    """The ratios that a space asks for, in its order, and which sites share one: all, those of a stage, or none.

    An architecture's key holds hidden widths alone. With these rules its ratios are found again.
    """

    reduction: tuple[int, ...]
    min_hidden: int | None = None
    shared_by: Literal["network", "stage", "unit"] = "network"

    @classmethod
    def of(cls, spec: SpaceSpec) -> "Ratios":
        if "reduction" in spec.tied():
            return cls(spec.reduction, spec.min_hidden, "network")
        return cls(spec.reduction, spec.min_hidden, "stage" if spec.granularity == "stage" else "unit")

    def annotate(self, architecture: Architecture, sites: Sequence[Site]) -> Architecture:
        """The same architecture, each SE with the first ratio that gives all widths of the sites that share one.

        Where no ratio does, the ratio is None.
        """
        if len(architecture.blocks) != len(sites):
            return architecture
        blocks = list(architecture.blocks)
        for places in self._sharing(sites):
            ratio = self._first([(sites[i], blocks[i]) for i in places])
            for i in places:
                blocks[i] = _with_ratio(blocks[i], ratio)
        return Architecture(architecture.backbone, tuple(blocks))

    def _sharing(self, sites: Sequence[Site]) -> Iterable[Sequence[int]]:
        """Numbers of the sites that share a ratio, group by group."""
        if self.shared_by == "network":
            return [range(len(sites))]
        if self.shared_by == "unit":
            return [[i] for i in range(len(sites))]
        stages: dict[int, list[int]] = {}
        for i, site in enumerate(sites):
            stages.setdefault(site.stage, []).append(i)
        return stages.values()

    def _first(self, blocks: Sequence[tuple[Site, SE | None]]) -> int | None:
        reducing = [(site, se) for site, se in blocks if se is not None and se.hidden]
        for ratio in self.reduction:
            if all(self._gives(ratio, site, se) for site, se in reducing):
                return ratio
        return None

    def _gives(self, ratio: int, site: Site, se: SE) -> bool:
        channels = site.channels.get(se.position)
        return channels is not None and hidden_width(channels, ratio, self.min_hidden) == se.hidden


def _with_ratio(se: SE | None, ratio: int | None) -> SE | None:
    if se is None or not se.hidden or se.ratio == ratio:
        return se
    return replace(se, ratio=ratio)
