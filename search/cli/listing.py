"""``senet-search list``: every name that a config may hold, read off the tables that define them."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from search.cli.options import JSON, RUNS, print_json, print_lines
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.network.published import Network


@click.command(name="list")
@click.argument(
    "what",
    required=False,
    metavar="[KIND]",
)
@click.option("--timm", "timm_pattern", metavar="PATTERN", help="Backbones of timm instead, e.g. '*resnet50*'.")
@RUNS
@JSON
def list_(what: str | None, timm_pattern: str | None, runs: Path, as_json: bool) -> None:
    """List the names that a config may hold, and the runs. With a KIND, each name has its meaning beside it.

    KIND is backbones, networks, datasets, squeezes, excitations, gates, operators, positions, samplers, metrics,
    measures, targets or runs.
    """
    found = listing(what, runs) if timm_pattern is None else timm_listing(what, timm_pattern)
    if as_json:
        print_json("list", None, found)
    else:
        print_lines(lines(found, runs))


def listing(what: str | None, runs: Path) -> dict[str, list[str]]:
    """Names by kind: of one kind, or of all. Raises UserError for an unknown kind."""
    from spaces.errors import unknown

    tables = _tables(runs)
    if what is None:
        return tables
    if what not in tables:
        raise unknown("list", what, tables)
    return {what: tables[what]}


def timm_listing(what: str | None, pattern: str) -> dict[str, list[str]]:
    """The backbones of timm that match a pattern. Raises UserError if none does, or for another kind of names."""
    from senet_nas.network.backbones import timm_networks

    if what not in (None, "backbones"):
        raise UserError(
            f"--timm lists backbones, not {what}", hint="write `senet-search list backbones --timm PATTERN`"
        )
    found = timm_networks.names(pattern)
    if not found:
        raise UserError(f"no network of timm matches `{pattern}`", hint="`*` is any text, for example '*resnet50*'")
    return {"backbones": found}


def _tables(runs: Path) -> dict[str, list[str]]:
    from search.planning.samplers import SAMPLERS
    from search.state import run_folder
    from senet_nas.costs.measures import MEASURES
    from senet_nas.data import datasets
    from senet_nas.deploy.targets import targets
    from senet_nas.network.backbones import table
    from senet_nas.network.operators import GATES
    from senet_nas.network.published import NETWORKS
    from senet_nas.network.squeezes import CHANNELS, SQUEEZES
    from senet_nas.training import quality_metrics
    from spaces.spec import Position
    from spaces.spelling import EXCITATIONS, OPERATORS

    return {
        "backbones": list(table.names()),
        "networks": list(NETWORKS),
        "datasets": datasets.names(),
        "squeezes": [name for name, row in SQUEEZES.items() if row.leaves == CHANNELS],
        "excitations": list(EXCITATIONS),
        "gates": list(GATES),
        "operators": list(OPERATORS),
        "positions": list(get_args(Position)),
        "samplers": list(SAMPLERS),
        "metrics": quality_metrics.listed(),
        "measures": list(MEASURES),
        "targets": list(targets()),
        "runs": sorted(run_folder.names(runs)),
    }


def lines(found: dict[str, list[str]], runs: Path) -> list[str]:
    """A line for each name of a single kind, with its meaning, or for each of several kinds."""
    from search.report.meanings import meanings
    from search.state import run_folder

    if list(found) == ["networks"]:
        return _networks()
    if len(found) == 1:
        ((kind, names),) = found.items()
        if kind == "runs" and not names:
            return [run_folder.held(runs)]
        width = max(map(len, names), default=0)
        return [f"{name:<{width}}  {text}".rstrip() for name, text in meanings(kind, names, runs).items()]
    return [f"{kind:<11} {', '.join(names) or '-'}" for kind, names in found.items()]


def _networks() -> list[str]:
    from senet_nas.network.published import NETWORKS

    head = f"{'network':<25}{'params':>12}{'MACs':>15}{'top-1':>8}{'top-5':>8}  source"
    note = "top-1 and top-5 are errors in percent, as published: on ImageNet, those of cifar networks on CIFAR-10."
    return [head, *(_network(name, row) for name, row in NETWORKS.items()), note]


def _network(name: str, row: "Network") -> str:
    """Counts, errors in percent, where they were published, and a note on what was not."""
    errors = "".join(f"{'-' if error is None else error:>8}" for error in (row.top1, row.top5))
    note = f" ({row.note})" if row.note else ""
    return f"{name:<25}{row.params:>12,}{row.macs:>15,}{errors}  {row.source}{note}; over {row.backbone}"
