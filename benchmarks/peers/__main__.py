"""Runs the searches of PLAN and writes results/peers.json, cell by cell; an interrupted command goes on where it stopped."""

import argparse
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.peers import __doc__ as about
from benchmarks.peers.sampler import HERE, PEERS, install
from search.commands.bench import bench

OURS = "knowledge_gradient"
TABLES = ("synthetic:113:1", "synthetic:113:0.4", "benchmarks/tables/fashion113.csv.gz")
QUICK = ("pymoo-nsga2", "syne-tune-morea")
# More than a tenth of a second for a proposal, or much more.
SLOW = ("optuna-gp", "smac-parego", "botorch-qlognehvi")


@dataclass(frozen=True)
class Part:
    """Searches of one peer over one table, beside as many of ours in the same worlds."""

    peer: str
    table: str
    trainings: int
    searches: int


# Written down before the first was run.
PLAN = (
    *(Part(peer, TABLES[0], n, 100) for n in (32, 64) for peer in QUICK),
    *(Part(peer, TABLES[0], 32, 10) for peer in SLOW),
    *(Part(peer, table, 64, 100) for table in TABLES[1:] for peer in QUICK),
    *(Part(peer, table, 64, 10) for table in TABLES for peer in SLOW),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="peers, by commas")
    parser.add_argument("--searches", type=int, help="so many of each, in place of what PLAN says")
    parser.add_argument(
        "--environments", type=Path, default=HERE / "environments", help="where virtual environments go"
    )
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [*QUICK, *SLOW]
    for name in {peer.requirement for known, peer in PEERS.items() if known in wanted and peer.requirement}:
        prepare(given.environments, name)
    install(given.environments)
    cells: list[dict[str, Any]] = environment.read("peers").get("cells", [])
    done = {(cell["peer"], cell["table"], cell["trainings"]) for cell in cells}
    for part in PLAN:
        if part.peer in wanted and (part.peer, part.table, part.trainings) not in done:
            cells += compared(part, given.searches or part.searches, given.environments)
            environment.write("peers", {"cells": cells})


def compared(part: Part, searches: int, environments: Path) -> list[dict[str, Any]]:
    """The peer and ours in the same worlds; ``versus`` of the peer is its difference from ours."""
    found = bench(part.table, [OURS, part.peer], [part.trainings], searches, jobs=1)
    print("\n".join(found.lines()), flush=True)
    table = found.to_dict()
    ours, theirs = table["cells"]
    beside = {name: ours[name] for name in ("score", "score_interval", "by_report")}
    version = versions(part.peer, environments)
    return [
        {"peer": part.peer, "version": version, "table": part.table, "unit": table["unit"], **theirs, "ours": beside}
    ]


def prepare(environments: Path, name: str) -> None:
    """A virtual environment with the peer, which sees what is installed here where it brings nothing of its own."""
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
    requirement = PEERS[peer].requirement if peer in PEERS else "optuna"
    python = str(environments / requirement / "bin" / "python") if peer in PEERS and requirement else sys.executable
    code = f"import importlib.metadata as m; print(m.version({requirement!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
