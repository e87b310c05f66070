"""Scale: a thousand slots, ten thousand trainings. It measures the tool alone, without training networks.

    python -m benchmarks.scale [--parts slots search] [--trainings 10000] [--folder FOLDER]

``slots`` is the loop alone (no Ray) with a thousand running trainings and a ledger on disk: seconds from the end of one
training to the start of the next. ``search`` is `senet-search run` with scripted trainings of no length through real
Ray, ledger, sampler ``auto`` and MLflow; it is killed with SIGKILL 100 trainings before the end and resumed. Seconds
are by the clock and, for machines that others use too, CPU seconds of the driver. ``--folder`` continues an interrupted
``search``.
"""

import argparse
import itertools
import os
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.loop import COMMAND, one_thread
from search.bench import synthetic
from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.ledger import Ledger
from search.state.records import Assignment, Outcome
from spaces import Architecture

SLOTS, FOLLOWED = 1000, 2000
PAIRS = (("721", "auto"), ("721", "knowledge_gradient"), ("9985", "auto"))
# A space of 9,985 architectures: more than a search with this budget covers, so that `auto` has to choose.
CONFIG = """
name: scale
data: digits
model: {{backbone: resnet18}}
space:
  reduction: [2, 4, 8, 16]
  position: [pre_addition, post_addition, pre_unit, identity]
  squeeze: [avg, max, std, avgmax]
  tie: [reduction, squeeze, excitation, gate]
budget: {{trainings: {trainings}}}
evaluate: python:scripted:train
resources: {{slots: 2}}
"""
TRAIN = """
def train(architecture, seed):
    return 90 + sum(ord(c) * (i + 1) for i, c in enumerate(f"{architecture}{seed}")) % 97 / 97
"""
PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
# The SIGKILL comes this many trainings before the end.
BEFORE_THE_END = 100

# When, trainings that have finished, resident bytes and CPU seconds of the driver, trainings that MLflow has.
Sample = tuple[float, int, int, float, int]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--parts", nargs="+", choices=["slots", "search"], default=["slots", "search"])
    arguments.add_argument("--trainings", type=int, default=10_000)
    arguments.add_argument("--folder", type=Path, help="where the search lies; a temporary folder unless given")
    given = arguments.parse_args()
    result = {key: value for key, value in environment.read("scale").items() if key != "environment"}
    if "slots" in given.parts:
        result["slots"] = {f"{space}, {sampler}": slots(space, sampler) for space, sampler in PAIRS}
    if "search" in given.parts:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            result.setdefault("search", {})[str(given.trainings)] = search(folder, given.trainings)
    print(environment.write("scale", result).read_text())


# -- a thousand slots -------------------------------------------------------------------------------------------------


def slots(space: str, sampler: str) -> dict[str, Any]:
    """Seconds that the loop takes to commit a training that ends while the others run, and to begin another."""
    problem = synthetic.named(f"{space}:1.0").problem(0)
    with tempfile.TemporaryDirectory() as folder, closing(Ledger(Path(folder, "ledger.sqlite"))) as ledger:
        budget = 2 * (SLOTS + FOLLOWED)
        proposer = Proposer(problem.space, DEFAULT, problem.price, sampler=sampler, seed=0, budget=budget)
        loop = Loop(
            ledger, PricedSpace(problem.space, problem.price), proposer, budget=Budget(budget), rules=Rules(DEFAULT)
        )
        began = time.perf_counter()
        running = [_begun(loop) for _ in range(SLOTS)]
        filled = time.perf_counter() - began
        seconds = []
        for _ in range(FOLLOWED):
            ended = running.pop(0)
            began = time.perf_counter()
            loop.finish(ended.uid, Outcome({"val_accuracy": _accuracy(problem, ended)}))
            running.append(_begun(loop))
            seconds.append(time.perf_counter() - began)
    return {
        "slots": SLOTS,
        "trainings": FOLLOWED,
        "seconds_to_fill": round(filled, 1),
        "median": round(statistics.median(seconds), 4),
        "mean": round(statistics.mean(seconds), 4),
        "p95": round(sorted(seconds)[int(0.95 * len(seconds))], 4),
        "median_of_the_last_tenth": round(statistics.median(seconds[-FOLLOWED // 10 :]), 4),
    }


def _begun(loop: Loop) -> Assignment:
    assignment = loop.next()
    assert assignment is not None, "the budget is too small for this number of slots"
    return assignment


def _accuracy(problem: synthetic.Synthetic, assignment: Assignment) -> float:
    return problem.accuracy(Architecture.parse(assignment.architecture), assignment.seed)


# -- ten thousand trainings -------------------------------------------------------------------------------------------


def search(folder: Path, trainings: int) -> dict[str, Any]:
    """A search to shortly before its end, the same resumed, and what it left. Goes on where an earlier call stopped."""
    (folder / "scripted.py").write_text(TRAIN)
    (folder / "scale.yaml").write_text(CONFIG.format(trainings=trainings))
    if _finished(folder) < trainings - BEFORE_THE_END:
        _drive(folder, until=trainings - BEFORE_THE_END)
    resumed, whole = _resume(folder)
    samples = _samples(folder)
    window = max(20, trainings // 10)
    return {
        "each": [_part(samples, a, b) for a, b in _windows(window, trainings - BEFORE_THE_END)],
        "seconds_to_resume": round(resumed, 1),
        "seconds_resumed_to_exit": round(whole, 1),
        "report_bytes": (folder / "runs" / "scale" / "report.html").stat().st_size,
        "ledger_bytes": (folder / "runs" / "scale" / "ledger.sqlite").stat().st_size,
        "mlflow_bytes": (folder / "runs" / "mlflow.db").stat().st_size,
        "finished": _finished(folder),
        "in_mlflow": _told(folder),
    }


def _windows(window: int, end: int) -> Iterator[tuple[int, int]]:
    """Windows of equal numbers of trainings; the last one ends at ``end``."""
    bounds = [*range(0, end - window, window), end - window, end]
    return ((a, b) for a, b in itertools.pairwise(bounds) if b - a == window)


def _part(samples: Sequence[Sample], first: int, last: int) -> dict[str, Any]:
    """What the trainings from ``first`` to ``last`` took, without the start of Ray."""
    inside = [s for s in samples if max(first, 1) <= s[1] <= last]
    # Where the CPU seconds fall, an earlier call had been stopped.
    steps = [(a, b) for a, b in itertools.pairwise(inside) if b[3] >= a[3]]
    count = sum(b[1] - a[1] for a, b in steps)
    return {
        "trainings": [inside[0][1], inside[-1][1]],
        "seconds_each": round(sum(b[0] - a[0] for a, b in steps) / count, 4),
        "driver_cpu_seconds_each": round(sum(b[3] - a[3] for a, b in steps) / count, 4),
        "driver_mb": round(statistics.mean(s[2] for s in inside) / 1e6),
        "behind_in_mlflow": inside[-1][1] - inside[-1][4],
    }


def _drive(folder: Path, until: int) -> None:
    """Runs the command, notes how it does once a second, and kills it when enough trainings have finished."""
    process = _command(folder)
    with (folder / "samples.txt").open("a") as file:
        while process.poll() is None and (finished := _finished(folder)) < until:
            with suppress(FileNotFoundError):  # it has just ended
                memory, cpu = _used(process.pid)
                file.write(f"{time.time():.3f} {finished} {memory} {cpu:.2f} {_told(folder)}\n")
                file.flush()
            time.sleep(1)
    assert process.poll() is None, f"the command ended with {process.returncode}"
    process.send_signal(signal.SIGKILL)
    process.wait()


def _resume(folder: Path) -> tuple[float, float]:
    """Seconds from the command to the first training that begins, and to its end."""
    typed = time.time()
    assert _command(folder).wait() == 0, "the resumed command failed"
    whole = time.time() - typed
    with _opened(folder / "runs" / "scale" / "ledger.sqlite") as db:
        begun = db.execute("SELECT min(started) FROM trainings WHERE started > ?", (typed,)).fetchone()[0]
    return begun - typed, whole


def _command(folder: Path) -> subprocess.Popen[bytes]:
    log = (folder / "out.log").open("ab")
    return subprocess.Popen([*COMMAND, "run", "scale.yaml"], cwd=folder, env=one_thread(), stdout=log, stderr=log)


def _used(pid: int) -> tuple[int, float]:
    """Resident bytes, and CPU seconds, of a process."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE, (int(times[11]) + int(times[12])) / TICK


def _samples(folder: Path) -> list[Sample]:
    rows = [line.split() for line in (folder / "samples.txt").read_text().splitlines()]
    return [(float(t), int(n), int(memory), float(cpu), int(told)) for t, n, memory, cpu, told in rows]


def _finished(folder: Path) -> int:
    with _opened(folder / "runs" / "scale" / "ledger.sqlite") as db:
        return _count(db, "SELECT count(*) FROM trainings WHERE state = 'finished'")


def _told(folder: Path) -> int:
    with _opened(folder / "runs" / "mlflow.db") as db:
        return _count(
            db,
            "SELECT count(*) FROM runs r JOIN tags t ON r.run_uuid = t.run_uuid AND t.key = 'senet.kind'"
            " WHERE t.value = 'training' AND r.status = 'FINISHED'",
        )


def _opened(path: Path) -> closing[sqlite3.Connection]:
    """A database to read; an empty one if the file does not exist yet."""
    return closing(sqlite3.connect(f"file:{path}?mode=ro" if path.exists() else ":memory:", uri=True))


def _count(db: sqlite3.Connection, query: str) -> int:
    try:
        return int(db.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # its tables are not made yet
        return 0


if __name__ == "__main__":
    main()
