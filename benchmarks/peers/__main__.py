"""Runs the searches of PLAN and writes results/peers.json, cell by cell; a second call continues an interrupted one."""

import argparse
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.peers import __doc__ as about
from benchmarks.peers.sampler import HERE, PEERS, install
from benchmarks.search_quality import FIRST
from search.bench.runner import bench

OURS = "knowledge_gradient"
TABLES = ("synthetic:113:1", "synthetic:113:0.4", "benchmarks/tables/fashion113.csv.gz")
QUICK = ("optuna-tpe", "optuna-nsga2", "pymoo-nsga2", "syne-tune-morea", "syne-tune-moasha", "random")
MODELS = ("optuna-gp", "smac-parego")  # tenths of a second for a proposal
SLOW = ("botorch-qlognehvi", "syne-tune-ehvi")  # seconds


@dataclass(frozen=True)
class Part:
    """Searches of some peers over one table, beside as many of ours in the same problems."""

    peers: tuple[str, ...]
    table: str
    trainings: int
    searches: int


# Written before the first was run. `exhaustive` trains each of the 113 architectures once, then repeats some.
PLAN = (
    *(Part(QUICK, table, 64, 100) for table in TABLES),
    *(Part(SLOW, table, 32, 10) for table in TABLES[:2]),
    *(Part(MODELS, table, 32, 50) for table in TABLES[:2]),
    *(Part(("exhaustive",), table, 160, 50) for table in TABLES[:2]),
    *(Part(QUICK, table, 32, 200) for table in TABLES[:2]),
    *(Part(QUICK, table, 128, 50) for table in TABLES[:2]),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="peers, by commas")
    parser.add_argument("--searches", type=int, help="searches of each, in place of the number in PLAN")
    parser.add_argument(
        "--environments", type=Path, default=HERE / "environments", help="where virtual environments go"
    )
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [*QUICK, "exhaustive", *MODELS, *SLOW]
    for name in {peer.requirement for known, peer in PEERS.items() if known in wanted and peer.requirement}:
        prepare(given.environments, name)
    install(given.environments)
    for part in PLAN:
        done = {which(cell) for cell in known() if cell.get("first") == FIRST}
        peers = [peer for peer in part.peers if peer in wanted and (peer, part.table, part.trainings) not in done]
        if peers:
            write(compared(part, peers, given.searches or part.searches, given))


def known() -> list[dict[str, Any]]:
    return list(environment.read("peers").get("cells", []))


def which(cell: dict[str, Any]) -> tuple[str, str, int]:
    return cell["peer"], cell["table"], cell["trainings"]


def write(cells: Sequence[dict[str, Any]]) -> None:
    """Replaces the results of these peers. Another command may have written those of other peers meanwhile."""
    again = {which(cell) for cell in cells}
    environment.write("peers", {"cells": [*(cell for cell in known() if which(cell) not in again), *cells]})


def compared(part: Part, peers: Sequence[str], searches: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The peers and ours in the same problems; ``versus`` of a peer is its difference from ours."""
    found = bench(part.table, [OURS, *peers], [part.trainings], searches, jobs=1, first=FIRST)
    print("\n".join(found.lines()), flush=True)
    table = found.to_dict()
    ours, *theirs = table["cells"]
    beside = {name: ours[name] for name in ("score", "score_interval", "by_report")}
    return [
        {
            "peer": peer,
            "version": versions(peer, given.environments),
            "table": part.table,
            "unit": table["unit"],
            "first": FIRST,
            **cell,
            "ours": beside,
        }
        for peer, cell in zip(peers, theirs, strict=True)
    ]


def prepare(environments: Path, name: str) -> None:
    """A virtual environment with the peer. It uses packages of this environment that the peer does not bring."""
    folder = environments / name
    if (folder / "bin" / "python").exists():
        return
    venv.create(folder, with_pip=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "zz_installed_here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "-q",
        "-r",
        str(HERE / "requirements" / f"{name}.txt"),
    ]
    subprocess.run(pip, check=True)


def versions(peer: str, environments: Path) -> str:
    """What is installed of the peer's library."""
    requirement = (
        PEERS[peer].requirement if peer in PEERS else "optuna"
    )  # `exhaustive` is an order in an Optuna sampler
    python = str(environments / requirement / "bin" / "python") if peer in PEERS and requirement else sys.executable
    code = f"import importlib.metadata as m; print(m.version({requirement!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
