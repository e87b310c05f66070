"""What targets are known to refuse of an architecture, or of a space: the sides of its maps decide with it."""

import random
from collections.abc import Iterable, Sequence

from senet_nas.costs.overhead import PriceList
from senet_nas.deploy.targets import Finding, findings
from spaces import Architecture, Space

# Members of a space that are looked at; each may have another SE at every site.
LOOKED_AT = 500


def of_architectures(members: Iterable[Architecture], prices: PriceList, targets: Sequence[str]) -> list[Finding]:
    """What is known of the targets about the SE units of some architectures. Raises UserError for an unknown target."""
    placed = {
        (site.name, se, tuple(sides[se.position]))
        for architecture in members
        for site, sides, se in zip(prices.sites, prices.sides, architecture.blocks, strict=True)
        if se is not None
    }
    order = {site.name: number for number, site in enumerate(prices.sites)}
    units = sorted(placed, key=lambda unit: (order[unit[0]], str(unit[1])))
    return [finding for target in targets for finding in findings(units, target)]


def of_space(space: Space, prices: PriceList, targets: Sequence[str]) -> list[Finding]:
    """The same for what a space may place: all of it if it is small, else a sample."""
    rng = random.Random(0)
    members = list(space) if space.size <= LOOKED_AT else [space.sample(rng) for _ in range(LOOKED_AT)]
    return of_architectures(members, prices, targets)
