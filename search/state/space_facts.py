"""What a run notes about its space, as facts of the ledger: sites, number of architectures, ratios that were asked for.

The key of an architecture holds hidden widths alone. With these facts every reader of the run finds its ratios again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from search.state.records import Entry
from spaces.ratios import Ratios
from spaces.space import Space
from spaces.spec import Site


def facts_of(space: Space) -> dict[str, Any]:
    """The facts ``sites``, ``space_size`` and ``ratios``, as JSON values."""
    sites = [{"name": site.name, "stage": site.stage, "channels": dict(site.channels)} for site in space.sites]
    return {"sites": sites, "space_size": space.size, "ratios": asdict(space.ratios)}


def sites_of(facts: Mapping[str, Any]) -> list[Site]:
    """The sites of the backbone; empty for older ledgers, which do not hold them."""
    return [Site(site["name"], site["stage"], site["channels"]) for site in facts.get("sites") or ()]


def with_ratios(entries: Sequence[Entry], facts: Mapping[str, Any]) -> list[Entry]:
    """The entries with the ratios that were asked for; unchanged for older ledgers, which do not hold these."""
    sites = sites_of(facts)
    noted = facts.get("ratios")
    if noted is None or not sites:
        return list(entries)
    ratios = Ratios(**{**noted, "reduction": tuple(noted["reduction"])})
    return [replace(entry, architecture=ratios.annotate(entry.architecture, sites)) for entry in entries]
