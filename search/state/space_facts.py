"""What a run notes about its space, as facts of the ledger: sites, number of architectures, ratios that were asked for.

The key of an architecture holds hidden widths alone. With these facts every reader of the run finds its ratios again.
"""

from collections.abc import Sequence
from dataclasses import replace

from search.state.facts import Facts
from search.state.records import Entry
from spaces.space import Space


def facts_of(space: Space) -> Facts:
    """The facts ``sites``, ``space_size`` and ``ratios``."""
    return Facts(sites=tuple(space.sites), space_size=space.size, ratios=space.ratios)


def with_ratios(entries: Sequence[Entry], facts: Facts) -> list[Entry]:
    """The entries with the ratios that were asked for; unchanged for older ledgers, which do not hold these."""
    ratios = facts.ratios
    sites = facts.sites
    if ratios is None or not sites:
        return list(entries)
    return [replace(entry, architecture=ratios.annotate(entry.architecture, sites)) for entry in entries]
